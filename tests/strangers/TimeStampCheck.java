import java.io.ByteArrayInputStream;
import java.io.FileInputStream;
import java.io.InputStream;
import java.math.BigInteger;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.cert.CertPathBuilder;
import java.security.cert.CertStore;
import java.security.cert.CertificateFactory;
import java.security.cert.CollectionCertStoreParameters;
import java.security.cert.PKIXBuilderParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509CertSelector;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.cmp.PKIFailureInfo;
import org.bouncycastle.asn1.cmp.PKIStatus;
import org.bouncycastle.asn1.nist.NISTObjectIdentifiers;
import org.bouncycastle.asn1.oiw.OIWObjectIdentifiers;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.tsp.TSPException;
import org.bouncycastle.tsp.TimeStampRequest;
import org.bouncycastle.tsp.TimeStampRequestGenerator;
import org.bouncycastle.tsp.TimeStampResponse;
import org.bouncycastle.tsp.TimeStampToken;

/**
 * BouncyCastle as a client of the timestamping authority: TimeStampResponse.validate against the request and
 * TimeStampToken.validate against the certificate, then the JDK's own path building up to our root. A single-file
 * program to run with bcpkix, bcprov and bcutil in the class path; arguments: server URL, trust folder.
 */
public final class TimeStampCheck {
    private static int passed;
    private static int failed;

    private static void check(String name, boolean holds) {
        System.out.println((holds ? "ok      " : "FAILED  ") + name);
        if (holds) {
            passed++;
        } else {
            failed++;
        }
    }

    public static void main(String[] args) throws Exception {
        for (String path : List.of("/tsa", "/tsa/rsa")) {
            URI uri = URI.create(args[0] + path);
            Path trust = Path.of(args[1]);
            for (Map.Entry<ASN1ObjectIdentifier, String> hash : HASHES.entrySet()) {
                granted(uri, trust, hash.getKey(), hash.getValue());
            }
            refused(uri);
        }
        System.out.println(passed + " passed, " + failed + " failed");
        System.exit(failed == 0 && passed > 0 ? 0 : 1);
    }

    private static final Map<ASN1ObjectIdentifier, String> HASHES = Map.of(
        NISTObjectIdentifiers.id_sha256, "SHA-256", NISTObjectIdentifiers.id_sha384, "SHA-384",
        NISTObjectIdentifiers.id_sha512, "SHA-512", NISTObjectIdentifiers.id_sha3_256, "SHA3-256",
        NISTObjectIdentifiers.id_sha3_384, "SHA3-384", NISTObjectIdentifiers.id_sha3_512, "SHA3-512");

    private static void granted(URI uri, Path trust, ASN1ObjectIdentifier oid, String hash) throws Exception {
        byte[] digest = MessageDigest.getInstance(hash).digest("a contract".getBytes(StandardCharsets.UTF_8));
        for (boolean certReq : new boolean[] {true, false}) {
            String name = uri.getPath() + " " + hash + (certReq ? " certReq" : "");
            TimeStampRequestGenerator generator = new TimeStampRequestGenerator();
            generator.setCertReq(certReq);
            TimeStampRequest request = generator.generate(oid, digest, new BigInteger("-12345678901234567890"));
            TimeStampResponse response = new TimeStampResponse(post(uri, request.getEncoded()));
            check(name + ": granted", response.getStatus() == PKIStatus.GRANTED && response.getFailInfo() == null);
            response.validate(request); // throws when imprint, nonce, policy or certificate identifier differ
            check(name + ": validates against the request", true);
            TimeStampToken token = response.getTimeStampToken();
            validate(name, token, trust, certReq);
        }
    }

    @SuppressWarnings("unchecked")
    private static void validate(String name, TimeStampToken token, Path trust, boolean certReq) throws Exception {
        Collection<X509CertificateHolder> sent = token.getCertificates().getMatches(null);
        check(name + ": certificates only when asked for", sent.isEmpty() != certReq);
        List<X509Certificate> pool = new ArrayList<>();
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        if (certReq) {
            for (X509CertificateHolder holder : sent) {
                pool.add((X509Certificate) factory.generateCertificate(new ByteArrayInputStream(holder.getEncoded())));
            }
        } else {
            try (InputStream in = new FileInputStream(trust.resolve("tsa-chain.pem").toFile())) {
                factory.generateCertificates(in).forEach(certificate -> pool.add((X509Certificate) certificate));
            }
        }
        X509Certificate signer = null;
        for (X509Certificate certificate : pool) {
            if (token.getSID().match(new X509CertificateHolder(certificate.getEncoded()))) {
                signer = certificate;
            }
        }
        check(name + ": the signer's certificate is at hand", signer != null);
        if (signer == null) {
            return;
        }
        BouncyCastleProvider provider = new BouncyCastleProvider();
        token.validate(new JcaSimpleSignerInfoVerifierBuilder().setProvider(provider).build(signer));
        check(name + ": TimeStampToken.validate", true);

        X509Certificate root;
        try (InputStream in = new FileInputStream(trust.resolve("root.pem").toFile())) {
            root = (X509Certificate) factory.generateCertificate(in);
        }
        X509CertSelector target = new X509CertSelector();
        target.setCertificate(signer);
        PKIXBuilderParameters parameters = new PKIXBuilderParameters(Set.of(new TrustAnchor(root, null)), target);
        parameters.setRevocationEnabled(false); // the CRL is judged elsewhere; this test is offline
        parameters.setDate(token.getTimeStampInfo().getGenTime());
        parameters.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(pool)));
        CertPathBuilder.getInstance("PKIX").build(parameters); // throws when no path leads to the root
        check(name + ": a path leads to the root", true);
    }

    private static void refused(URI uri) throws Exception {
        TimeStampRequestGenerator generator = new TimeStampRequestGenerator();
        TimeStampRequest sha1 = generator.generate(OIWObjectIdentifiers.idSHA1, new byte[20], BigInteger.ONE);
        expect(uri, "SHA-1", sha1, PKIFailureInfo.badAlg);
        TimeStampRequestGenerator foreign = new TimeStampRequestGenerator();
        foreign.setReqPolicy(new ASN1ObjectIdentifier("1.2.3.4.5"));
        TimeStampRequest policy = foreign.generate(NISTObjectIdentifiers.id_sha256, new byte[32], BigInteger.ONE);
        expect(uri, "a foreign policy", policy, PKIFailureInfo.unacceptedPolicy);
    }

    private static void expect(URI uri, String what, TimeStampRequest request, int failInfo) throws Exception {
        String name = uri.getPath() + " refuses " + what;
        TimeStampResponse response = new TimeStampResponse(post(uri, request.getEncoded()));
        check(name, response.getStatus() == PKIStatus.REJECTION && response.getTimeStampToken() == null);
        check(name + ": failInfo", response.getFailInfo() != null && response.getFailInfo().intValue() == failInfo);
        try {
            response.validate(request);
            check(name + ": a refusal validates as what it is", true);
        } catch (TSPException error) {
            check(name + ": a refusal validates as what it is: " + error.getMessage(), false);
        }
    }

    private static byte[] post(URI uri, byte[] body) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(uri).header("Content-Type", "application/timestamp-query")
            .timeout(Duration.ofSeconds(30))
            .POST(HttpRequest.BodyPublishers.ofByteArray(body)).build();
        HttpResponse<byte[]> response = CLIENT.send(request, HttpResponse.BodyHandlers.ofByteArray());
        if (response.statusCode() != 200) {
            throw new IllegalStateException("HTTP " + response.statusCode());
        }
        return response.body();
    }

    private static final HttpClient CLIENT = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
}
