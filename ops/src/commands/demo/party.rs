//! The steps about a party, and what each of them proves.
//!
//! | step | proves |
//! |---|---|
//! | terms, apply, identify, approve, status | who decides is not who issues; the key never left its folder |
//! | `openssl ocsp`, revoke, `openssl ocsp` | a revocation is seen at once, by programs of others |
//! | proof of the moment before | a status of the past rests on entries and lists, not on anybody's word |
//! | the same, with no server running | whoever keeps the folder needs nobody |

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::time::Duration;

use semper_ttp::asn1::pem;
use semper_ttp::time::Timestamp;
use semper_ttp::x509::Certificate;

use super::Teller;
use super::house::{House, Server, Trouble};
use crate::clock::now;

pub(super) const OFFICER: &str = "data/people/officer.p12";
pub(super) const TRUST: &str = "data/trust";
const FOLDER: &str = "party";
const CERTIFICATE: &str = "party/party-legal.cer.pem";
const PROOF: &str = "status";

/// A party's certificate, and a moment at which it was good.
pub(super) struct Party<'a> {
    house: &'a House,
    folder: &'a Path,
    moment: Option<Timestamp>,
}

impl<'a> Party<'a> {
    pub(super) fn new(house: &'a House, folder: &'a Path) -> Self {
        Self { house, folder, moment: None }
    }

    /// Everything that needs the server.
    pub(super) fn live(&mut self, teller: &mut Teller, server: &Server) -> Result<(), Trouble> {
        let url = server.https()?;
        self.register(teller, url)?;
        self.ocsp(teller, server, "A stranger's program asks for the status of the certificate.", "good")?;
        self.revoke(teller, url)?;
        self.ocsp(teller, server, "The same question again.", "revoked")?;
        self.prove(teller, url)
    }

    fn semper(&self, teller: &mut Teller, args: &[&str]) -> Result<String, Trouble> {
        let args: Vec<_> = args.iter().map(OsStr::new).collect();
        teller.command(self.house.shown(&args));
        let said = self.house.semper(&args, 0)?;
        Ok(said.out.trim().to_owned())
    }

    fn last_line(said: &str) -> String {
        said.lines().last().unwrap_or("nothing was said").to_owned()
    }

    fn register(&self, teller: &mut Teller, url: &str) -> Result<(), Trouble> {
        teller.step("A party reads the terms, makes its key and applies for a certificate.");
        self.semper(teller, &["party", "terms", "--url", url, "--trust", TRUST, "--out", "terms.md"])?;
        let words = apply(url, FOLDER, "Boutique Exemple");
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let said = self.semper(teller, &[&words[..], &["--profile", "party-legal"]].concat())?;
        teller.result(said.lines().next().unwrap_or_default().to_owned());
        let path = self.folder.join(FOLDER).join("registration");
        let id = fs::read_to_string(&path).map_err(Trouble::io(path.display()))?;

        teller.step("An officer writes down how the identity was proven, and approves: the CA issues.");
        let by = ["--url", url, "--identity", OFFICER];
        let seen =
            ["party", "identify", id.trim(), "--method", "register_extract", "--document", "register_extract,FR"];
        self.semper(teller, &[&seen[..], &by].concat())?;
        let said = self.semper(teller, &[&["party", "approve", id.trim()][..], &by].concat())?;
        teller.result(Self::last_line(&said));

        teller.step("The party collects its certificate.");
        let said = self.semper(teller, &["party", "status", "--url", url, "--trust", TRUST, "--dir", FOLDER])?;
        teller.result(Self::last_line(&said));
        Ok(())
    }

    fn ocsp(&self, teller: &mut Teller, server: &Server, title: &str, due: &str) -> Result<(), Trouble> {
        teller.step(title);
        let url = format!("{}/ocsp", server.url);
        let root = format!("{TRUST}/root.pem");
        let args = ["ocsp", "-issuer", "data/certs/ca-party.cer", "-cert", CERTIFICATE, "-CAfile", &root, "-url", &url];
        let Some(said) = self.house.openssl(teller, &args)? else { return Ok(()) };
        let both = [said.out, said.err].concat();
        let status = format!("{CERTIFICATE}: {due}");
        if !both.contains("Response verify OK") || !both.contains(&status) {
            return Err(Trouble::Wrong(format!("openssl said something else than {due}: {}", both.trim())));
        }
        teller.result(format!("Response verify OK, {due}"));
        Ok(())
    }

    fn serial(&self) -> Result<String, Trouble> {
        let path = self.folder.join(CERTIFICATE);
        let text = fs::read_to_string(&path).map_err(Trouble::io(path.display()))?;
        let first = pem::decode("CERTIFICATE", &text).and_then(|blocks| blocks.into_iter().next());
        let certificate = first.and_then(|der| Certificate::from_der(&der).ok());
        let wrong = || Trouble::Wrong(format!("{CERTIFICATE} holds no certificate"));
        certificate.map(|certificate| hex::encode(certificate.serial())).ok_or_else(wrong)
    }

    fn revoke(&mut self, teller: &mut Teller, url: &str) -> Result<(), Trouble> {
        teller.step("An officer revokes the certificate.");
        let moment = now();
        self.moment = Some(moment);
        // A revocation counts from its whole second on: what is to be proven of the moment before needs that second over.
        while now().secs() <= moment.secs() {
            std::thread::sleep(Duration::from_millis(20));
        }
        let serial = self.serial()?;
        let said = self.semper(
            teller,
            &["party", "revoke", "--serial", &serial, "--reason", "superseded", "--url", url, "--identity", OFFICER],
        )?;
        teller.result(Self::last_line(&said));
        Ok(())
    }

    fn prove(&self, teller: &mut Teller, url: &str) -> Result<(), Trouble> {
        teller.step(
            "Prove what its status was in the moment before: entries of the ledger, and the list that came after.",
        );
        let at = self.moment.map(|moment| moment.to_string()).unwrap_or_default();
        let of = ["party", "proof", "--url", url, "--trust", TRUST, "--certificate", CERTIFICATE, "--at", &at];
        let said = self.semper(teller, &[&of[..], &["--dir", PROOF, "--wait-secs", "60"]].concat())?;
        teller.result(Self::proven(&said)?);
        Ok(())
    }

    /// The same with the server gone.
    pub(super) fn prove_offline(&self, teller: &mut Teller) -> Result<(), Trouble> {
        teller.step("Judge the status of that moment again, from the folder and the trust anchors alone.");
        let at = self.moment.map(|moment| moment.to_string()).unwrap_or_default();
        let of = ["party", "proof", "--offline", "--trust", TRUST, "--at", &at, "--dir", PROOF];
        let said = self.semper(teller, &of)?;
        teller.result(Self::proven(&said)?);
        Ok(())
    }

    fn proven(said: &str) -> Result<String, Trouble> {
        let last = Self::last_line(said);
        match last.starts_with("PROVEN: ") && last.ends_with("was good") {
            true => Ok(last),
            false => Err(Trouble::Wrong(format!("it was not proven to be good: {last}"))),
        }
    }
}

/// The command by which somebody applies, but for the profiles; the terms lie in terms.md.
pub(super) fn apply(url: &str, folder: &str, name: &str) -> Vec<String> {
    let of = ["party", "apply", "--url", url, "--trust", TRUST, "--dir", folder, "--accept-terms", "terms.md"];
    let subject = ["country=FR", &format!("organization={name}"), "organization_identifier=NTRFR-123456789"];
    let subject = subject.iter().map(|attribute| (*attribute).to_owned()).chain([format!("common_name={name}")]);
    let mut words: Vec<_> = of.map(str::to_owned).into();
    subject.for_each(|attribute| words.extend(["--subject".to_owned(), attribute]));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_good_status_is_a_success() {
        assert!(Party::proven("PROVEN: at 2026-03-01T12:00:00.000Z the certificate was good").is_ok());
        for other in ["", "NOT PROVEN: no list", "PROVEN: at x the certificate was revoked, since y"] {
            assert!(Party::proven(other).is_err(), "{other}");
        }
    }
}
