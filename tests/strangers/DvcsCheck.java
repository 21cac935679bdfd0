import java.io.ByteArrayInputStream;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.Date;
import java.util.HexFormat;
import java.util.List;
import org.bouncycastle.asn1.ASN1Encodable;
import org.bouncycastle.asn1.ASN1Integer;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.DERSet;
import org.bouncycastle.asn1.cmp.PKIFailureInfo;
import org.bouncycastle.asn1.cmp.PKIFreeText;
import org.bouncycastle.asn1.cmp.PKIStatus;
import org.bouncycastle.asn1.cmp.PKIStatusInfo;
import org.bouncycastle.asn1.cms.Attribute;
import org.bouncycastle.asn1.cms.AttributeTable;
import org.bouncycastle.asn1.cms.ContentInfo;
import org.bouncycastle.asn1.dvcs.CertEtcToken;
import org.bouncycastle.asn1.dvcs.DVCSCertInfo;
import org.bouncycastle.asn1.dvcs.DVCSCertInfoBuilder;
import org.bouncycastle.asn1.dvcs.DVCSErrorNotice;
import org.bouncycastle.asn1.dvcs.DVCSObjectIdentifiers;
import org.bouncycastle.asn1.dvcs.DVCSTime;
import org.bouncycastle.asn1.dvcs.Data;
import org.bouncycastle.asn1.dvcs.PathProcInput;
import org.bouncycastle.asn1.dvcs.ServiceType;
import org.bouncycastle.asn1.dvcs.TargetEtcChain;
import org.bouncycastle.asn1.ess.ESSCertIDv2;
import org.bouncycastle.asn1.ess.SigningCertificateV2;
import org.bouncycastle.asn1.nist.NISTObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.asn1.x509.DigestInfo;
import org.bouncycastle.asn1.x509.PolicyInformation;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaCertStore;
import org.bouncycastle.cert.jcajce.JcaX509CertificateHolder;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.CMSSignedDataGenerator;
import org.bouncycastle.cms.DefaultSignedAttributeTableGenerator;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.jcajce.JcaSignerInfoGeneratorBuilder;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.dvcs.CCPDRequestBuilder;
import org.bouncycastle.dvcs.CPDRequestBuilder;
import org.bouncycastle.dvcs.DVCSRequest;
import org.bouncycastle.dvcs.DVCSRequestBuilder;
import org.bouncycastle.dvcs.DVCSRequestInfo;
import org.bouncycastle.dvcs.DVCSResponse;
import org.bouncycastle.dvcs.MessageImprintBuilder;
import org.bouncycastle.dvcs.SignedDVCSMessageGenerator;
import org.bouncycastle.dvcs.TargetChain;
import org.bouncycastle.dvcs.VPKCRequestBuilder;
import org.bouncycastle.dvcs.VSDRequestBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.operator.DigestCalculatorProvider;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;

/**
 * BouncyCastle as a peer in data validation (RFC 3029). A single-file program to run with bcpkix, bcprov and bcutil in the class path:
 *
 * requests DIR      makes requests of all four services, bare and signed by requester.pem, and with every field; vsd asks about the moment
 *                   in the file time, seconds since 1970, if it is there
 * check RES REQ...  reads each response with its request and prints what it found
 * answer DIR        makes a certificate for each request in DIR, signed by notary.pem
 */
public final class DvcsCheck {
    private static final BouncyCastleProvider BC = new BouncyCastleProvider();
    private static final BigInteger NONCE = new BigInteger("-12345678901234567890");
    private static final AlgorithmIdentifier SHA256 = new AlgorithmIdentifier(NISTObjectIdentifiers.id_sha256);
    private static final List<String> SERVICES = List.of("ccpd", "cpd", "vsd", "vpkc");

    public static void main(String[] args) throws Exception {
        switch (args[0]) {
            case "requests" -> requests(Path.of(args[1]));
            case "answer" -> answer(Path.of(args[1]));
            case "check" -> {
                for (int i = 1; i < args.length; i += 2) {
                    System.out.println("response " + (i + 1) / 2);
                    check(Files.readAllBytes(Path.of(args[i])), Files.readAllBytes(Path.of(args[i + 1])));
                }
            }
            default -> throw new IllegalArgumentException(args[0]);
        }
    }

    // ---- requests -------------------------------------------------------------------------------------------------------

    private static void requests(Path folder) throws Exception {
        byte[] document = Files.readAllBytes(folder.resolve("document"));
        CMSSignedData signedDocument = new CMSSignedData(Files.readAllBytes(folder.resolve("document.p7s")));
        X509CertificateHolder target = new JcaX509CertificateHolder(certificates(folder, "target.pem").get(0));
        Path moment = folder.resolve("time");
        Date time = Files.exists(moment) ? new Date(1000 * Long.parseLong(Files.readString(moment))) : null;
        for (String service : SERVICES) {
            DVCSRequest request = request(service, document, signedDocument, target, time);
            // Not "DER": as the library writes it by itself.
            write(folder, service + ".req", new ContentInfo(request.getContentType(), request.getContent()).getEncoded());
            SignedDVCSMessageGenerator generator = new SignedDVCSMessageGenerator(signer(folder, "requester"));
            write(folder, service + ".signed.req", generator.build(request).getEncoded());
        }
        write(folder, "whole.req", whole(target));
    }

    private static DVCSRequest request(
        String service, byte[] document, CMSSignedData signedDocument, X509CertificateHolder target, Date time)
        throws Exception {
        switch (service) {
            case "ccpd" -> {
                CCPDRequestBuilder builder = new CCPDRequestBuilder();
                builder.setNonce(NONCE);
                DigestCalculatorProvider digests = new JcaDigestCalculatorProviderBuilder().setProvider(BC).build();
                return builder.build(new MessageImprintBuilder(digests.get(SHA256)).build(document));
            }
            case "cpd" -> {
                CPDRequestBuilder builder = new CPDRequestBuilder();
                builder.setNonce(NONCE);
                return builder.build(document);
            }
            case "vsd" -> {
                VSDRequestBuilder builder = new VSDRequestBuilder();
                builder.setNonce(NONCE);
                if (time != null) {
                    builder.setRequestTime(time);
                }
                return builder.build(signedDocument);
            }
            default -> {
                VPKCRequestBuilder builder = new VPKCRequestBuilder();
                builder.setNonce(NONCE);
                builder.addTargetChain(target);
                return builder.build();
            }
        }
    }

    /** A target with a chain and all of PathProcInput, as no builder has it. */
    private static byte[] whole(X509CertificateHolder target) throws Exception {
        CertEtcToken certificate = new CertEtcToken(CertEtcToken.TAG_CERTIFICATE, target.toASN1Structure());
        PolicyInformation[] policies = {new PolicyInformation(new ASN1ObjectIdentifier("2.5.29.32.0"))};
        TargetEtcChain chain = new TargetEtcChain(
            certificate, new CertEtcToken[] {certificate}, new PathProcInput(policies, true, true, true));
        VPKCRequestBuilder builder = new VPKCRequestBuilder();
        builder.addTargetChain(new TargetChain(chain));
        DVCSRequest request = builder.build();
        return new ContentInfo(request.getContentType(), request.getContent()).getEncoded("DER");
    }

    // ---- responses of others --------------------------------------------------------------------------------------------

    private static void check(byte[] response, byte[] request) throws Exception {
        ContentInfo envelope = ContentInfo.getInstance(response);
        if (envelope.getContentType().equals(DVCSObjectIdentifiers.id_ct_DVCSResponseData)) {
            DVCSErrorNotice notice = parsed(new DVCSResponse(envelope)).getErrorNotice();
            status("notice", notice.getTransactionStatus());
            System.out.println("transaction " + (notice.getTransactionIdentifier() != null));
            return;
        }
        CMSSignedData signed = new CMSSignedData(response);
        DVCSCertInfo info = parsed(new DVCSResponse(signed)).getCertInfo();
        ServiceType service = info.getDvReqInfo().getService();
        System.out.println("service " + service.getValue());
        DVCSRequest asked = requestOf(request);
        System.out.println("validate " + DVCSRequestInfo.validate(asked.getRequestInfo(), new DVCSRequestInfo(info.getDvReqInfo())));
        System.out.println("nonce " + info.getDvReqInfo().getNonce());
        for (SignerInformation signer : signed.getSignerInfos().getSigners()) {
            @SuppressWarnings("unchecked")
            Collection<X509CertificateHolder> found = signed.getCertificates().getMatches(signer.getSID());
            X509CertificateHolder certificate = found.iterator().next();
            System.out.println("signature "
                + signer.verify(new JcaSimpleSignerInfoVerifierBuilder().setProvider(BC).build(certificate)));
        }
        DigestInfo imprint = info.getMessageImprint();
        System.out.println("hash " + imprint.getAlgorithmId().getAlgorithm());
        System.out.println("imprint " + HexFormat.of().formatHex(imprint.getDigest()));
        System.out.println("serial " + info.getSerialNumber().getValue());
        System.out.println("time " + info.getResponseTime().getGenTime().getTimeString());
        System.out.println("policy " + info.getPolicy().getPolicyIdentifier());
        System.out.println("reqSignature " + (info.getReqSignature() != null));
        if (info.getDvStatus() != null) {
            status("status", info.getDvStatus());
        }
        for (TargetEtcChain chain : info.getCerts() == null ? new TargetEtcChain[0] : info.getCerts()) {
            CertEtcToken first = chain.getChain()[0];
            System.out.println("target " + chain.getTarget().getTagNo() + " " + chain.getChain().length);
            status("target-status", PKIStatusInfo.getInstance(first.getValue()));
        }
        // Read, taken apart and written again: the same octets.
        byte[] content = (byte[]) signed.getSignedContent().getContent();
        System.out.println("re-encoded "
            + MessageDigest.isEqual(content, new org.bouncycastle.asn1.dvcs.DVCSResponse(info).getEncoded("DER")));
    }

    private static void status(String name, PKIStatusInfo info) {
        StringBuilder line = new StringBuilder(name + " " + info.getStatus());
        if (info.getFailInfo() != null) {
            line.append(" bits ").append(info.getFailInfo().getString());
        }
        if (info.getStatusString() != null) {
            line.append(" ").append(info.getStatusString().getStringAtUTF8(0).getString());
        }
        System.out.println(line);
    }

    private static org.bouncycastle.asn1.dvcs.DVCSResponse parsed(DVCSResponse response) {
        return (org.bouncycastle.asn1.dvcs.DVCSResponse) response.getContent();
    }

    private static DVCSRequest requestOf(byte[] request) throws Exception {
        ContentInfo envelope = ContentInfo.getInstance(request);
        boolean bare = envelope.getContentType().equals(DVCSObjectIdentifiers.id_ct_DVCSRequestData);
        return bare ? new DVCSRequest(envelope) : new DVCSRequest(new CMSSignedData(request));
    }

    // ---- certificates of its own ----------------------------------------------------------------------------------------

    private static void answer(Path folder) throws Exception {
        for (String service : SERVICES) {
            for (String suffix : List.of(".req", ".signed.req")) {
                byte[] request = Files.readAllBytes(folder.resolve(service + suffix));
                write(folder, service + suffix.replace(".req", ".bc.dvc"), answered(folder, request));
            }
        }
    }

    private static byte[] answered(Path folder, byte[] bytes) throws Exception {
        org.bouncycastle.asn1.dvcs.DVCSRequest request =
            (org.bouncycastle.asn1.dvcs.DVCSRequest) requestOf(bytes).getContent();
        Data data = request.getData();
        DigestInfo imprint = data.getMessageImprint();
        if (imprint == null) {
            // RFC 3029 9.1: the octets of a message, and the DER of certs.
            byte[] octets = data.getMessage() != null ? data.getMessage().getOctets() : data.getEncoded("DER");
            imprint = new DigestInfo(SHA256, MessageDigest.getInstance("SHA-256").digest(octets));
        }
        DVCSCertInfoBuilder builder = new DVCSCertInfoBuilder(request.getRequestInformation(), imprint,
            new ASN1Integer(new BigInteger(127, new java.util.Random(7))), new DVCSTime(new Date()));
        builder.setPolicy(new PolicyInformation(new ASN1ObjectIdentifier("1.3.6.1.4.1.99999.3")));
        PKIStatusInfo no = new PKIStatusInfo(PKIStatus.rejection, new PKIFreeText("no such luck"),
            new PKIFailureInfo(PKIFailureInfo.badCertId));
        ServiceType service = request.getRequestInformation().getService();
        if (service.equals(ServiceType.VSD) || service.equals(ServiceType.VPKC)) {
            builder.setDvStatus(no);
        }
        if (data.getCerts() != null) {
            List<TargetEtcChain> answers = new ArrayList<>();
            for (TargetEtcChain asked : data.getCerts()) {
                CertEtcToken[] chain = {new CertEtcToken(CertEtcToken.TAG_PKISTATUS, no)};
                answers.add(new TargetEtcChain(asked.getTarget(), chain));
            }
            builder.setCerts(answers.toArray(new TargetEtcChain[0]));
        }
        ContentInfo envelope = ContentInfo.getInstance(bytes);
        if (!envelope.getContentType().equals(DVCSObjectIdentifiers.id_ct_DVCSRequestData)) {
            builder.setReqSignature(org.bouncycastle.asn1.cms.SignedData.getInstance(envelope.getContent()).getSignerInfos());
        }
        byte[] response = new org.bouncycastle.asn1.dvcs.DVCSResponse(builder.build()).getEncoded("DER");
        CMSProcessableByteArray content =
            new CMSProcessableByteArray(DVCSObjectIdentifiers.id_ct_DVCSResponseData, response);
        return signer(folder, "notary").generate(content, true).toASN1Structure().getEncoded("DER");
    }

    // ---- keys and files -------------------------------------------------------------------------------------------------

    /** With ESSCertIDv2, which RFC 3029 wants of a server. The certificates of NAME.pem go along, the signer's first. */
    private static CMSSignedDataGenerator signer(Path folder, String name) throws Exception {
        List<X509Certificate> certificates = certificates(folder, name + ".pem");
        X509Certificate own = certificates.get(0);
        String text = Files.readString(folder.resolve(name + ".key")).replaceAll("-----[A-Z ]+-----|\\s", "");
        PrivateKey key = KeyFactory.getInstance("EC", BC)
            .generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(text)));
        byte[] hash = MessageDigest.getInstance("SHA-256").digest(own.getEncoded());
        Attribute binding = new Attribute(PKCSObjectIdentifiers.id_aa_signingCertificateV2,
            new DERSet(new SigningCertificateV2(new ESSCertIDv2[] {new ESSCertIDv2(hash)})));
        AttributeTable more = new AttributeTable(new DERSet(binding));
        JcaSignerInfoGeneratorBuilder builder =
            new JcaSignerInfoGeneratorBuilder(new JcaDigestCalculatorProviderBuilder().setProvider(BC).build());
        builder.setSignedAttributeGenerator(new DefaultSignedAttributeTableGenerator(more));
        CMSSignedDataGenerator generator = new CMSSignedDataGenerator();
        generator.addSignerInfoGenerator(
            builder.build(new JcaContentSignerBuilder("SHA256withECDSA").setProvider(BC).build(key), own));
        generator.addCertificates(new JcaCertStore(certificates));
        return generator;
    }

    private static List<X509Certificate> certificates(Path folder, String name) throws Exception {
        List<X509Certificate> found = new ArrayList<>();
        byte[] text = Files.readAllBytes(folder.resolve(name));
        CertificateFactory.getInstance("X.509").generateCertificates(new ByteArrayInputStream(text))
            .forEach(certificate -> found.add((X509Certificate) certificate));
        return found;
    }

    private static void write(Path folder, String name, byte[] bytes) throws Exception {
        Files.write(folder.resolve(name), bytes);
    }
}
