"""The JDK's `jarsigner -tsa`: signs a jar with a key of its own, timestamps it at the server, verifies it strictly."""

import shutil
import zipfile

import check

PASSWORD = "changeit"


def main(arguments, checks):
    work = arguments.work
    signing, trusted = work / "signing.p12", work / "trusted.p12"

    def keytool(*words):
        code, text = check.command("keytool", *words, "-storepass", PASSWORD, "-storetype", "PKCS12", "-noprompt")
        assert code == 0, text

    keytool("-genkeypair", "-keystore", signing, "-alias", "author", "-keyalg", "EC", "-groupname", "secp256r1",
            "-dname", "CN=An author", "-validity", "30", "-ext", "EKU=codeSigning", "-ext", "KU=digitalSignature")
    certificate = work / "author.cer"
    keytool("-exportcert", "-keystore", signing, "-alias", "author", "-file", certificate)
    # What the verifier trusts: the author's certificate, and our root for the timestamp. Not the issuing CA.
    keytool("-importcert", "-keystore", trusted, "-alias", "author", "-file", certificate)
    keytool("-importcert", "-keystore", trusted, "-alias", "root", "-file", arguments.trust / "root.pem")

    for path in ("/tsa", "/tsa/rsa"):
        jar = work / f"{path.replace('/', '-')[1:]}.jar"
        with zipfile.ZipFile(jar, "w") as archive:
            archive.writestr("contract.txt", "We, the undersigned, agree.\n")
        code, text = check.command("jarsigner", "-keystore", signing, "-storetype", "PKCS12", "-storepass", PASSWORD,
                                   "-tsa", arguments.url + path, "-tsadigestalg", "SHA-384", jar, "author")
        if not checks.that(f"{path}: jarsigner signs with a timestamp", code == 0 and "jar signed" in text, text):
            continue
        checks.that(f"{path}: it does not miss the timestamp", "does not include a timestamp" not in text and
                    "No -tsa or -tsacert" not in text, text)
        code, text = check.command("jarsigner", "-verify", "-verbose", "-certs", "-strict", "-keystore", trusted,
                                   "-storetype", "PKCS12", "-storepass", PASSWORD, jar)
        checks.that(f"{path}: the jar verifies strictly", code == 0 and "jar verified." in text, text)
        checks.that(f"{path}: jarsigner shows the timestamp", "Timestamped by" in text and
                    'Timestamp digest algorithm: SHA-384' in text, text)

        # The proof that this stranger can say no: without our root the timestamp's chain is not valid.
        keytool("-delete", "-keystore", trusted, "-alias", "root")
        code, text = check.command("jarsigner", "-verify", "-verbose", "-certs", "-strict", "-keystore", trusted,
                                   "-storetype", "PKCS12", "-storepass", PASSWORD, jar)
        checks.that(f"{path}: without our root the strict check fails", code != 0 and "TSA certificate chain is invalid" in text,
                    text)
        keytool("-importcert", "-keystore", trusted, "-alias", "root", "-file", arguments.trust / "root.pem")


if __name__ == "__main__":
    if not (shutil.which("jarsigner") and shutil.which("keytool")):
        raise SystemExit("jarsigner or keytool of a JDK is missing: run ops/setup.sh")
    check.run(main)
