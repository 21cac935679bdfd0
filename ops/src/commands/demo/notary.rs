//! The steps at the notary, and what each of them proves.
//!
//! | step | proves |
//! |---|---|
//! | two parties apply and are approved | who signs is known to the registration |
//! | certify, with a token for its time | a data validation certificate (RFC 3029) can be had by a hash alone |
//! | ask, sign twice, take, approve, record | a contract is signed by all, decided by a person, and recorded |
//! | verify, `openssl cms`, `openssl ts`, with no server running | act, certificate and its timestamp need nobody's word |

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use semper_ttp::asn1::{TEST_POLICY, TEST_POLICY_WITH_TOKEN};
use semper_ttp::digest::Digest;
use serde_json::Value;

use super::Teller;
use super::house::{House, Said, Trouble};
use super::party::{OFFICER, TRUST, apply};

const CONTRACT: &str = "documents/sale.pdf";
const DVC: &str = "notary/sale.dvc";
const TOKEN: &str = "notary/sale.time.tst";
const ACT: &str = "notary/sale.act.jws";

/// The two who sign: folder and name.
const SIGNERS: [(&str, &str); 2] = [("seller", "Velo Vendeur"), ("buyer", "Bea Buyer")];

/// The notary's steps.
pub(super) struct Notary<'a> {
    house: &'a House,
    folder: &'a Path,
}

impl<'a> Notary<'a> {
    pub(super) fn new(house: &'a House, folder: &'a Path) -> Self {
        Self { house, folder }
    }

    /// Everything that needs the server.
    pub(super) fn live(&self, teller: &mut Teller, url: &str) -> Result<(), Trouble> {
        self.write("notary", None)?;
        self.write(CONTRACT, Some(&pdf(&TEXT)))?;
        let parties = self.register(teller, url)?;
        self.certify(teller, url)?;
        self.contract(teller, url, &parties)
    }

    fn write(&self, name: &str, bytes: Option<&[u8]>) -> Result<(), Trouble> {
        let path = self.folder.join(name);
        match bytes {
            Some(bytes) => fs::write(&path, bytes),
            None => fs::create_dir(&path),
        }
        .map_err(Trouble::io(path.display()))
    }

    fn run(&self, args: &[&str]) -> Result<Said, Trouble> {
        let args: Vec<_> = args.iter().map(OsStr::new).collect();
        self.house.semper(&args, 0)
    }

    /// As the user types it; what is read is JSON.
    fn told(&self, teller: &mut Teller, args: &[&str]) -> Result<Value, Trouble> {
        let words: Vec<_> = args.iter().map(OsStr::new).collect();
        teller.command(self.house.shown(&words));
        let said = self.run(&[args, &["--json"]].concat())?;
        serde_json::from_str(&said.out).map_err(|error| Trouble::Wrong(format!("{}: {error}", said.out)))
    }

    fn register(&self, teller: &mut Teller, url: &str) -> Result<[String; 2], Trouble> {
        teller.step(
            "A seller and a buyer become parties, as the one before: each with a key to sign and a key to log in.",
        );
        let mut parties = Vec::new();
        for (folder, name) in SIGNERS {
            let keys = ["--profile", "party-legal", "--profile", "party-auth"];
            let words = apply(url, folder, name);
            let words: Vec<_> = words.iter().map(String::as_str).collect();
            self.told(teller, &[&words[..], &keys].concat())?;
            let registration = self.folder.join(folder).join("registration");
            let id = fs::read_to_string(&registration).map_err(Trouble::io(registration.display()))?;
            let by = ["--url", url, "--identity", OFFICER];
            let seen = ["party", "identify", id.trim(), "--method", "register_extract"];
            self.run(&[&seen[..], &["--document", "register_extract,FR"], &by].concat())?;
            self.run(&[&["party", "approve", id.trim()][..], &by].concat())?;
            let status = ["party", "status", "--url", url, "--trust", TRUST, "--dir", folder];
            let status = self.told(teller, &status)?;
            let party = text(&status, "party")?;
            teller.result(format!("{name} is the party {party}"));
            parties.push(party);
        }
        <[String; 2]>::try_from(parties).map_err(|_| Trouble::Wrong("there are not two parties".to_owned()))
    }

    fn certify(&self, teller: &mut Teller, url: &str) -> Result<(), Trouble> {
        teller.step(
            "The notary certifies that the seller showed the hash of a contract, a PDF; a timestamp tells the time.",
        );
        let by = ["--url", url, "--identity", "seller/party-auth.p12"];
        let asked = ["notary", "certify", CONTRACT, "--policy", TEST_POLICY_WITH_TOKEN];
        let said = self.told(teller, &[&asked[..], &["--token-out", TOKEN, "--out", DVC], &by].concat())?;
        teller.result(format!("{}, granted: {}", text(&said, "dvc")?, said["granted"]));
        Ok(())
    }

    fn contract(&self, teller: &mut Teller, url: &str, [seller, buyer]: &[String; 2]) -> Result<(), Trouble> {
        let identity = |folder: &str| format!("{folder}/party-auth.p12");
        let of_seller = identity("seller");
        teller.step("The seller asks the notary for an act about the contract, which both are to sign.");
        let ask = ["notary", "ask", CONTRACT, "--kind", "contract", "--media-type", "application/pdf", "--dvc", DVC];
        let signers = ["--signer", seller, "--signer", buyer, "--url", url, "--identity", &of_seller];
        let asked = self.told(teller, &[&ask[..], &signers].concat())?;
        let act = text(&asked, "act")?;
        teller.result(format!("act {act} has number {} in the journal", asked["journal_no"]));

        teller.step("Both sign the same octets, each with its own key.");
        for (folder, name) in SIGNERS {
            let (with, of) = (format!("{folder}/party-legal.p12"), identity(folder));
            let sign = ["notary", "sign", &act, CONTRACT, "--with", &with, "--url", url, "--identity", &of];
            let said = self.told(teller, &sign)?;
            teller.result(format!("{name} has signed: {}", text(&said, "state")?));
        }

        teller.step("The notary's officer takes the act, checks what a person must, and approves it.");
        let by = ["--url", url, "--identity", OFFICER];
        self.told(teller, &[&["notary", "take", &act][..], &by].concat())?;
        let approve = ["notary", "approve", &act, "--checked", "identity,will", "--fee", "9000,EUR"];
        let said = self.told(teller, &[&approve[..], &by].concat())?;
        teller.result(format!("the act is {}", text(&said, "state")?));

        teller.step("The seller fetches the record, with all that is needed to verify it.");
        let record = ["notary", "record", &act, "--all", "--out", ACT, "--url", url, "--identity", &of_seller];
        self.told(teller, &record)?;
        teller.result(format!("{ACT}, certificates, proof, request and both signatures"));
        Ok(())
    }

    /// The same with the server gone.
    pub(super) fn verify(&self, teller: &mut Teller) -> Result<(), Trouble> {
        teller.step("Verify the act, offline: the record, the contract, the request, both signatures, the proof.");
        let named = |ending: &str| ACT.replace(".jws", ending);
        let (request, one, two) = (named(".request.json"), named(".1.jws"), named(".2.jws"));
        let act =
            ["verify", ACT, "--document", CONTRACT, "--request", &request, "--signature", &one, "--signature", &two];
        let trust = ["--trust", TRUST, "--policy", TEST_POLICY];
        self.verified(teller, &[&act[..], &["--dvc", DVC], &trust].concat())?;

        teller.step("Verify the data validation certificate, offline.");
        self.verified(teller, &[&["verify", DVC, "--document", CONTRACT][..], &trust].concat())?;

        let root = format!("{TRUST}/root.pem");
        let cms = [
            "cms",
            "-verify",
            "-purpose",
            "any",
            "-inform",
            "DER",
            "-in",
            DVC,
            "-out",
            "logs/dvc.der",
            "-CAfile",
            &root,
        ];
        self.stranger(teller, "Let a stranger's program judge its signature.", &cms, "Verification successful")?;
        let chain = format!("{TRUST}/tsa-chain.pem");
        let digest = hex::encode(Digest::of(&self.read(CONTRACT)?).as_bytes());
        let ts =
            ["ts", "-verify", "-token_in", "-in", TOKEN, "-digest", &digest, "-CAfile", &root, "-untrusted", &chain];
        self.stranger(teller, "And the timestamp that tells its time.", &ts, "Verification: OK")
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, Trouble> {
        fs::read(self.folder.join(name)).map_err(Trouble::io(name))
    }

    fn verified(&self, teller: &mut Teller, args: &[&str]) -> Result<(), Trouble> {
        let words: Vec<_> = args.iter().map(OsStr::new).collect();
        teller.command(self.house.shown(&words));
        let said = self.run(args)?;
        teller.result(said.out.trim().lines().last().unwrap_or_default().to_owned());
        Ok(())
    }

    fn stranger(&self, teller: &mut Teller, title: &str, args: &[&str], due: &str) -> Result<(), Trouble> {
        teller.step(title);
        let Some(said) = self.house.openssl(teller, args)? else { return Ok(()) };
        if ![said.out, said.err].concat().contains(due) {
            return Err(Trouble::Wrong(format!("openssl did not say: {due}")));
        }
        teller.result(due.to_owned());
        Ok(())
    }
}

fn text(value: &Value, name: &str) -> Result<String, Trouble> {
    value[name].as_str().map(str::to_owned).ok_or_else(|| Trouble::Wrong(format!("no {name}: {value}")))
}

const TEXT: [&str; 5] = [
    "CONTRACT OF SALE",
    "",
    "The seller sells and the buyer buys one bicycle, blue,",
    "for EUR 450.00, to be handed over within seven days of payment.",
    "(Written by semper demo; nobody is bound by it.)",
];

/// A PDF of one page with these lines (ISO 32000-2 §7.5): header, objects, cross-reference table, trailer.
fn pdf(lines: &[&str]) -> Vec<u8> {
    let escaped = lines.iter().map(|line| line.replace(['(', ')', '\\'], " "));
    let shown: String = escaped.map(|line| format!("({line}) Tj T*\n")).collect();
    let content = format!("BT /F1 12 Tf 16 TL 72 760 Td\n{shown}ET");
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>".to_owned(),
        format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    let mut file = b"%PDF-1.7\n%\xE2\xE3\xCF\xD3\n".to_vec();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (number, object) in (1..).zip(&objects) {
        table += &format!("{:010} 00000 n \n", file.len());
        file.extend(format!("{number} 0 obj\n{object}\nendobj\n").into_bytes());
    }
    let start = file.len();
    let trailer = format!("trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n", objects.len() + 1);
    file.extend([table, trailer].concat().into_bytes());
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each number of the table is where its object begins, and the last line but one is where the table does.
    #[test]
    fn the_pdf_is_one() {
        let file = pdf(&TEXT);
        let text = String::from_utf8_lossy(&file).into_owned();
        let start: usize = text.lines().rev().nth(1).unwrap().parse().unwrap();
        assert!(file[start..].starts_with(b"xref\n0 6\n"));
        let offsets = String::from_utf8_lossy(&file[start..]).into_owned();
        for (number, line) in (1..).zip(offsets.lines().skip(3).take(5)) {
            let offset: usize = line[..10].parse().unwrap();
            assert!(file[offset..].starts_with(format!("{number} 0 obj\n").as_bytes()), "{line}");
            assert_eq!(line.len() + 1, 20);
        }
    }
}
