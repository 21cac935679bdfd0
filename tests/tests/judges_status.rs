//! The status of certificates as programs of others read it: GnuTLS, the JDK, pyHanko, nginx and openssl, by OCSP and by lists, of good,
//! revoked and never issued certificates. `revocation.rs` has `openssl ocsp`, against a server as a process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;

use semper_tests::pki::{DAY_SECS, Holder, Names, Pki, PkiSettings, private_key, write_pem};
use semper_tests::server::DEADLINE;
use semper_tests::strangers::{folder, judge, python, run, text, tool};
use semper_ttp::asn1::pem;
use semper_ttp::ca::Authority;
use semper_ttp::ca::crl::Reason;
use semper_ttp::ca::name::Attribute;
use semper_ttp::ca::profile::Profile;
use semper_ttp::crypto::KeyKind;
use semper_ttp::time::Timestamp;
use semper_ttp::x509::Certificate;
use tempfile::TempDir;

/// A hierarchy, and a folder with the certificates of its CAs.
struct World {
    pki: Pki,
    work: TempDir,
}

impl World {
    fn new(shards: u32) -> Self {
        let pki = Pki::new(&PkiSettings { shards, ..PkiSettings::default() });
        let work = tempfile::tempdir().expect("a temporary folder");
        pki.write_cas(work.path());
        Self { pki, work }
    }

    fn pem(&self, name: &str) -> PathBuf {
        self.work.path().join(format!("{name}.pem"))
    }

    fn write(&self, name: &str, holder: &Holder) -> PathBuf {
        write_pem(self.work.path(), name, &holder.certificate)
    }

    /// These lists as the server has them, in one file.
    fn lists(&self, name: &str, places: &[&str]) -> PathBuf {
        let path = self.pem(name);
        let list = |place: &&str| pem::encode("X509 CRL", &self.pki.list(place));
        fs::write(&path, places.iter().map(list).collect::<String>()).expect("written");
        path
    }

    /// The list that a certificate names, as `ca-party` or `ca-party/2`.
    fn list_of(&self, certificate: &Certificate) -> String {
        let url = certificate.crl_place().expect("a list's place");
        let rest = url.strip_prefix(self.pki.base_url()).and_then(|rest| rest.strip_prefix("/crl/"));
        rest.and_then(|rest| rest.strip_suffix(".crl")).expect("a list of ours").to_owned()
    }
}

// ---- GnuTLS -------------------------------------------------------------------------------------------------------------

#[test]
fn ocsptool_of_gnutls() {
    let world = World::new(0);
    let [good, revoked] = [(); 2].map(|()| world.pki.issue_party());
    world.pki.revoke(Authority::Party, &revoked.certificate, Reason::KeyCompromise);
    let cases = [
        ("good", good, "Certificate Status: good"),
        ("revoked", revoked, "Certificate Status: revoked"),
        ("unknown", world.pki.never_issued(), "Certificate Status: unknown"),
    ];
    for (name, holder, expected) in cases {
        let path = world.write(name, &holder);
        for nonce in ["--nonce", "--no-nonce"] {
            let said = text(&ocsptool(&world, &path, "ca-party", nonce));
            assert!(
                said.contains(expected) && said.contains("Verifying OCSP Response: Success."),
                "{name} {nonce}: {said}"
            );
        }
    }
    // It can say no: with another CA as the anchor.
    let said = text(&ocsptool(&world, &world.pem("good"), "ca-server", "--nonce"));
    assert!(said.contains("Verifying OCSP Response: Failure, Signer cert is not trusted"), "{said}");
}

fn ocsptool(world: &World, certificate: &Path, trust: &str, nonce: &str) -> Output {
    let mut command = Command::new("ocsptool");
    command.arg(format!("--ask={}/ocsp", world.pki.base_url())).arg(nonce);
    command.arg("--load-cert").arg(certificate).arg("--load-issuer").arg(world.pem("ca-party"));
    run(command.arg("--load-trust").arg(world.pem(trust)))
}

#[test]
fn certtool_of_gnutls_with_lists() {
    let world = World::new(0);
    let [good, revoked] = [(); 2].map(|()| world.pki.issue_party());
    let empty = world.lists("empty", &["ca-party"]);
    world.pki.revoke(Authority::Party, &revoked.certificate, Reason::Superseded);
    world.pki.renew_lists();
    let list = world.lists("list", &["ca-party"]);
    let (good, revoked) = (world.write("good", &good), world.write("revoked", &revoked));
    let chain = |leaf: &Path| {
        let chain = world.pem("chain");
        fs::write(&chain, [leaf, &world.pem("ca-party")].map(|path| fs::read_to_string(path).expect("read")).concat())
            .expect("written");
        chain
    };
    let certtool = |leaf: &Path, list: &Path| {
        let mut command = Command::new("certtool");
        command.arg("--verify").arg("--load-ca-certificate").arg(world.pem("root"));
        run(command.arg("--load-crl").arg(list).arg("--infile").arg(chain(leaf)))
    };
    for (leaf, list, expected) in [(&good, &list, true), (&revoked, &list, false), (&revoked, &empty, true)] {
        let output = certtool(leaf, list);
        assert_eq!(output.status.success(), expected, "{}", text(&output));
        assert!(expected || text(&output).contains("certificate chain is revoked"), "{}", text(&output));
    }
    let verify = |issuer: &str| {
        let mut command = Command::new("certtool");
        command.arg("--verify-crl").arg("--load-ca-certificate").arg(world.pem(issuer));
        run(command.arg("--infile").arg(&list))
    };
    let output = verify("ca-party");
    assert!(output.status.success() && text(&output).contains("Verified"), "{}", text(&output));
    assert!(!text(&verify("ca-server")).contains("The CRL is verified"), "of another issuer");
}

// ---- the JDK, pyHanko ---------------------------------------------------------------------------------------------------

/// Paths to judge, with what is to be found, as `RevocationCheck.java` and `certvalidator.py` take them: with one list for all, with
/// shards, and with a CA that the root has revoked.
struct Cases {
    _worlds: Vec<World>,
    arguments: Vec<String>,
}

impl Cases {
    fn new() -> Self {
        let (mut worlds, mut arguments) = (Vec::new(), Vec::new());
        let mut add = |world: &World, name: String, who: &str, holder: &Holder, reason: &str, at: Timestamp| {
            let folder = world.work.path().join(name);
            fs::create_dir(&folder).expect("a folder");
            write_pem(&folder, "root", world.pki.ca(Authority::Root));
            write_pem(&folder, "ca", world.pki.ca(Authority::Party));
            write_pem(&folder, "leaf", &holder.certificate);
            let folder = folder.to_str().expect("a path in UTF-8");
            arguments.extend([folder, who, reason, &at.secs().to_string()].map(str::to_owned));
        };
        for shards in [0, 3] {
            let world = World::new(shards);
            let [good, revoked] = [(); 2].map(|()| world.pki.issue_party());
            world.pki.pass(1);
            let at = world.pki.now();
            world.pki.revoke(Authority::Party, &revoked.certificate, Reason::CessationOfOperation);
            world.pki.pass(1);
            world.pki.renew_lists();
            let unknown = world.pki.never_issued();
            for (name, who, holder) in
                [("good", "good", &good), ("revoked", "leaf", &revoked), ("never-issued", "unknown", &unknown)]
            {
                add(&world, format!("{name}-{shards}"), who, holder, "CESSATION_OF_OPERATION", at);
            }
            worlds.push(world);
        }
        let world = World::new(0);
        let orphan = world.pki.issue_party();
        let at = world.pki.now();
        world.pki.revoke(Authority::Root, world.pki.ca(Authority::Party), Reason::CaCompromise);
        world.pki.pass(1);
        world.pki.renew_lists();
        add(&world, "revoked-ca".to_owned(), "ca", &orphan, "CA_COMPROMISE", at);
        worlds.push(world);
        Self { _worlds: worlds, arguments }
    }

    /// All must be as said; and the first, which is good, must not pass for revoked: the judge can say no.
    fn judged_by(mut self, program: impl Fn() -> Command) {
        judge(program().args(&self.arguments));
        self.arguments[1] = "leaf".to_owned();
        let output = run(program().args(&self.arguments[..4]));
        assert!(!output.status.success() && text(&output).contains("FAILED"), "{}", text(&output));
    }
}

#[test]
fn cert_path_of_the_jdk() {
    Cases::new().judged_by(|| {
        let mut java = Command::new("java");
        java.arg("-Dcom.sun.security.enableCRLDP=true").arg(folder().join("RevocationCheck.java"));
        java
    });
}

#[test]
fn certvalidator_of_pyhanko() {
    Cases::new().judged_by(|| {
        let mut python = python();
        python.arg(folder().join("certvalidator.py"));
        python
    });
}

// ---- nginx --------------------------------------------------------------------------------------------------------------

const HOST: &str = "shop.example.com";

/// nginx asks the responder that the certificate names, staples what is good, and keeps to itself what is not: then its clients get
/// no answer with the handshake, and its log says why.
#[test]
fn nginx_staples_what_is_good() {
    let world = World::new(0);
    let names = Names::of(&[
        (Attribute::Country, "FR"),
        (Attribute::Locality, "Paris"),
        (Attribute::Organization, "Boutique Exemple"),
    ]);
    let server = Profile::named("tls-server");
    let holder = world.pki.issue(Authority::Server, &server, private_key(KeyKind::EcdsaP256), names.with_dns(&[HOST]));
    let nginx = Nginx::start(&world, &holder);
    let said = nginx.until(|said| said.contains("OCSP Response Status: successful"));
    assert!(said.contains("Cert Status: good") && said.contains("Verify return code: 0 (ok)"), "{said}");
    assert!(said.contains(&hex::encode_upper(holder.certificate.serial())), "{said}");
    drop(nginx);

    world.pki.revoke(Authority::Server, &holder.certificate, Reason::Superseded);
    let nginx = Nginx::start(&world, &holder);
    let said = nginx.until(|_| nginx.log().contains("certificate status \"revoked\" in the OCSP response"));
    assert!(said.contains("OCSP response: no response sent"), "{said}");
}

/// nginx on a socket in a folder of its own; ends with this value.
struct Nginx<'w> {
    child: Child,
    world: &'w World,
    folder: TempDir,
}

impl<'w> Nginx<'w> {
    fn start(world: &'w World, holder: &Holder) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let leaf = world.write("shop", holder);
        let read = |path: PathBuf| fs::read_to_string(path).expect("read");
        let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).expect("written");
        let (root, ca) = (read(world.pem("root")), read(world.pem("ca-server")));
        write("chain.pem", [read(leaf), ca.clone()].concat().as_bytes());
        write("issuers.pem", [ca, root].concat().as_bytes());
        write("key.pem", &holder.key.private_key_to_pem_pkcs8().expect("PEM"));
        write("nginx.conf", NGINX_CONF.as_bytes());
        let mut command = tool("nginx");
        // -e: before it has read where its log is, it would open that of the system.
        command.current_dir(folder.path()).arg("-p").arg(folder.path()).args(["-c", "nginx.conf", "-e", "error.log"]);
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = spawned.unwrap_or_else(|error| panic!("nginx: {error}: run ops/setup.sh"));
        Self { child, world, folder }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("error.log")).unwrap_or_default()
    }

    /// Shakes hands until it is so: nginx listens a moment after it was started, and asks for the status when somebody first asks it.
    fn until(&self, is_so: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let mut command = Command::new("openssl");
            command.args(["s_client", "-status", "-servername", HOST, "-unix"]).arg(self.folder.path().join("socket"));
            let said = text(&run(command.arg("-CAfile").arg(self.world.pem("root"))));
            if is_so(&said) {
                return said;
            }
            assert!(Instant::now() < deadline, "{said}\n{}", self.log());
        }
    }
}

impl Drop for Nginx<'_> {
    fn drop(&mut self) {
        // Both fail only if it has ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One process in the foreground, which writes into its own folder alone.
const NGINX_CONF: &str = "
daemon off;
master_process off;
pid nginx.pid;
error_log error.log info;
events { }
http {
    access_log off;
    client_body_temp_path temp1;
    proxy_temp_path temp2;
    fastcgi_temp_path temp3;
    uwsgi_temp_path temp4;
    scgi_temp_path temp5;
    server {
        listen unix:socket ssl;
        ssl_certificate chain.pem;
        ssl_certificate_key key.pem;
        ssl_trusted_certificate issuers.pem;
        ssl_stapling on;
        ssl_stapling_verify on;
        return 204;
    }
}
";

// ---- openssl ------------------------------------------------------------------------------------------------------------

/// `openssl verify` with a list for every certificate up to the root, at the time of the service.
fn verify(world: &World, leaf: &Path, lists: &Path) -> Result<(), String> {
    let mut command = Command::new("openssl");
    command.args(["verify", "-crl_check_all", "-x509_strict", "-attime", &world.pki.now().secs().to_string()]);
    command.arg("-CAfile").arg(world.pem("root"));
    command.arg("-untrusted").arg(world.pem("ca-party")).arg("-CRLfile").arg(lists);
    let output = run(command.arg(leaf));
    if output.status.success() { Ok(()) } else { Err(text(&output)) }
}

#[test]
fn openssl_verifies_chains_with_lists() {
    let world = World::new(0);
    let [good, revoked] = [(); 2].map(|()| world.pki.issue_party());
    world.pki.revoke(Authority::Party, &revoked.certificate, Reason::AffiliationChanged);
    world.pki.renew_lists();
    let (good, revoked) = (world.write("good", &good), world.write("revoked", &revoked));
    let lists = world.lists("lists", &["root", "ca-party"]);
    assert_eq!(verify(&world, &good, &lists), Ok(()));
    says(verify(&world, &revoked, &lists), 0, "certificate revoked");
    // Every list is needed.
    says(verify(&world, &good, &world.lists("one", &["ca-party"])), 1, "unable to get certificate CRL");
    says(verify(&world, &good, &world.lists("one", &["root"])), 0, "unable to get certificate CRL");

    world.pki.revoke(Authority::Root, world.pki.ca(Authority::Party), Reason::CaCompromise);
    world.pki.pass(1);
    world.pki.renew_lists();
    says(verify(&world, &good, &world.lists("lists", &["root", "ca-party"])), 1, "certificate revoked");
}

#[test]
fn openssl_verifies_chains_with_shards() {
    let world = World::new(3);
    let revoked = world.pki.issue_party();
    let own = world.list_of(&revoked.certificate);
    world.pki.revoke(Authority::Party, &revoked.certificate, Reason::KeyCompromise);
    // One of each shard, and one of the same as the revoked one.
    let mut good: Vec<Holder> = Vec::new();
    while good.len() < 3 {
        let holder = world.pki.issue_party();
        if good.iter().all(|other| world.list_of(&other.certificate) != world.list_of(&holder.certificate)) {
            good.push(holder);
        }
    }
    world.pki.pass(1);
    world.pki.renew_lists();
    let revoked = world.write("revoked", &revoked);
    says(verify(&world, &revoked, &world.lists("lists", &["root", &own])), 0, "certificate revoked");
    for holder in &good {
        let (leaf, place) = (world.write("good", holder), world.list_of(&holder.certificate));
        assert_eq!(verify(&world, &leaf, &world.lists("lists", &["root", &place])), Ok(()));
    }
    // Another shard says nothing of it.
    let other =
        good.iter().map(|holder| world.list_of(&holder.certificate)).find(|place| *place != own).expect("three");
    says(verify(&world, &revoked, &world.lists("lists", &["root", &other])), 0, "different CRL scope");
    // When its time comes, the list of all names it, too: for whoever knows nothing of shards.
    let all = world.lists("all", &["root", "ca-party"]);
    assert_eq!(verify(&world, &revoked, &all), Ok(()), "not yet");
    world.pki.pass(DAY_SECS);
    world.pki.renew_lists();
    says(verify(&world, &revoked, &world.lists("all", &["root", "ca-party"])), 0, "certificate revoked");
}

/// openssl names the depth in the chain and why.
fn says(outcome: Result<(), String>, depth: u32, why: &str) {
    let said = outcome.expect_err("it does not verify");
    assert!(said.contains(&format!("at {depth} depth lookup: {why}")), "{said}");
}
