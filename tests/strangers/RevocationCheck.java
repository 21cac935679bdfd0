import java.io.FileInputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.security.cert.CRLReason;
import java.security.cert.CertPath;
import java.security.cert.CertPathValidator;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertPathValidatorException.BasicReason;
import java.security.cert.CertificateFactory;
import java.security.cert.CertificateRevokedException;
import java.security.cert.Extension;
import java.security.cert.PKIXParameters;
import java.security.cert.PKIXRevocationChecker;
import java.security.cert.PKIXRevocationChecker.Option;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.util.Date;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/**
 * The JDK's own path validation with revocation, by OCSP and by lists that it fetches from the places that the certificates name.
 * A single-file program, to run with -Dcom.sun.security.enableCRLDP=true. Arguments, for each case: a folder with root.pem, ca.pem
 * and leaf.pem; "good", "unknown", or who is revoked ("leaf", "ca"); then why, as java.security.cert.CRLReason has it, and when, in
 * seconds (both are ignored where nobody is revoked).
 */
public final class RevocationCheck {
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
        for (int i = 0; i < args.length; i += 4) {
            judge(Path.of(args[i]), args[i + 1], CRLReason.valueOf(args[i + 2]), Long.parseLong(args[i + 3]));
        }
        System.out.println(passed + " passed, " + failed + " failed");
        System.exit(failed == 0 && passed > 0 ? 0 : 1);
    }

    private static void judge(Path folder, String who, CRLReason reason, long second) throws Exception {
        String name = folder.getFileName().toString();
        if (!who.equals("ca")) {
            // The root answers no OCSP: what it has revoked is in its list alone.
            Set<Option> ocsp = EnumSet.of(Option.NO_FALLBACK, Option.ONLY_END_ENTITY);
            expect(name + ": OCSP", validate(folder, ocsp, false), who, reason, second);
            expect(name + ": OCSP with a nonce", validate(folder, ocsp, true), who, reason, second);
        }
        Set<Option> lists = EnumSet.of(Option.PREFER_CRLS, Option.NO_FALLBACK);
        // A list says nothing of what was never issued.
        String listed = who.equals("unknown") ? "good" : who;
        expect(name + ": lists", validate(folder, lists, false), listed, reason, second);
    }

    private static void expect(String name, CertPathValidatorException found, String who, CRLReason reason, long second) {
        if (who.equals("good")) {
            check(name + ": good: " + found, found == null);
            return;
        }
        if (who.equals("unknown")) {
            BasicReason wanted = BasicReason.UNDETERMINED_REVOCATION_STATUS;
            check(name + ": nobody knows: " + found, found != null && found.getReason() == wanted);
            return;
        }
        boolean isRevoked = found != null && found.getReason() == BasicReason.REVOKED
            && found.getCause() instanceof CertificateRevokedException;
        check(name + ": revoked: " + found, isRevoked);
        if (isRevoked) {
            CertificateRevokedException revoked = (CertificateRevokedException) found.getCause();
            check(name + ": whose: " + found.getIndex(), found.getIndex() == (who.equals("leaf") ? 0 : 1));
            check(name + ": why: " + revoked.getRevocationReason(), revoked.getRevocationReason() == reason);
            Date date = revoked.getRevocationDate();
            check(name + ": when: " + date, date.getTime() == second * 1000);
        }
    }

    private static CertPathValidatorException validate(Path folder, Set<Option> options, boolean withNonce) throws Exception {
        CertPath path = FACTORY.generateCertPath(List.of(read(folder.resolve("leaf.pem")), read(folder.resolve("ca.pem"))));
        CertPathValidator validator = CertPathValidator.getInstance("PKIX");
        PKIXRevocationChecker checker = (PKIXRevocationChecker) validator.getRevocationChecker();
        checker.setOptions(options);
        if (withNonce) {
            checker.setOcspExtensions(List.of(new Nonce()));
        }
        PKIXParameters parameters = new PKIXParameters(Set.of(new TrustAnchor(read(folder.resolve("root.pem")), null)));
        parameters.addCertPathChecker(checker);
        try {
            validator.validate(path, parameters);
            return null;
        } catch (CertPathValidatorException found) {
            return found;
        }
    }

    private static X509Certificate read(Path path) throws Exception {
        try (InputStream in = new FileInputStream(path.toFile())) {
            return (X509Certificate) FACTORY.generateCertificate(in);
        }
    }

    private static final CertificateFactory FACTORY = factory();

    private static CertificateFactory factory() {
        try {
            return CertificateFactory.getInstance("X.509");
        } catch (java.security.cert.CertificateException error) {
            throw new IllegalStateException(error);
        }
    }

    /** id-pkix-ocsp-nonce (RFC 9654) of 32 octets; an answer with another one is refused by the JDK. */
    private static final class Nonce implements Extension {
        private final byte[] value = new byte[34];

        Nonce() {
            byte[] random = new byte[32];
            new SecureRandom().nextBytes(random);
            value[0] = 4;
            value[1] = 32;
            System.arraycopy(random, 0, value, 2, 32);
        }

        @Override
        public String getId() {
            return "1.3.6.1.5.5.7.48.1.2";
        }

        @Override
        public boolean isCritical() {
            return false;
        }

        @Override
        public byte[] getValue() {
            return value;
        }

        @Override
        public void encode(OutputStream out) throws IOException {
            byte[] head = {0x30, 47, 6, 9, 0x2B, 6, 1, 5, 5, 7, 0x30, 1, 2, 4, 34};
            out.write(head);
            out.write(value);
        }
    }
}
