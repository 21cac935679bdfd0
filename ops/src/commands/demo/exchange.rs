//! The steps at the fair-exchange arbiter, and what each of them proves.
//!
//! | step | proves |
//! |---|---|
//! | offer, accept, take, take, take | two parties sign a contract among themselves; the arbiter hears nothing of it |
//! | offer, accept, take, silence, ask; ask | where one goes silent the other has the contract all the same; both get the same octets |
//! | deliver, accept, take, silence, ask | whoever delivers has a receipt, also from somebody who withholds it |
//! | verify, with no server running | the verdict needs nobody's word |
//! | a second verdict by the arbiter's own key, accuse, verify | a third party that lies convicts itself |

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use semper_ttp::b64u::B64u;
use semper_ttp::crypto::jose::{Algorithm, Key};
use semper_ttp::crypto::{Entropy as _, OsEntropy};
use semper_ttp::evidence::{KeyId, KeyPurpose};
use semper_ttp::statement::exchange::Outcome;
use semper_ttp::statement::exchange::verdict::Verdict;
use semper_ttp::statement::{Common, Jws, Salt, Statement, Unsigned};
use serde_json::Value;

use super::Teller;
use super::house::{House, Trouble};
use super::party::TRUST;
use crate::data::{Custody, DataFolder};

const CONTRACT: &str = "documents/sale.pdf";
const NOTICE: &str = "documents/notice.txt";
const TEXT: &[u8] = b"The bicycle has been handed over to the carrier.\n(Written by semper demo.)\n";
const TO_BUYER: &str = "buyer/party-legal.cer.pem";
const PLANTED: &str = "exchanges/planted.jws";

/// The run in which the buyer goes silent, as the seller has it.
const SILENT: &str = "exchanges/silent-seller";

/// The arbiter's steps.
pub(super) struct Exchange<'a> {
    house: &'a House,
    folder: &'a Path,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(house: &'a House, folder: &'a Path) -> Self {
        Self { house, folder }
    }

    /// Everything that needs the server.
    pub(super) fn live(&self, teller: &mut Teller, url: &str) -> Result<(), Trouble> {
        let folder = self.folder.join("exchanges");
        fs::create_dir(&folder).map_err(Trouble::io(folder.display()))?;
        fs::write(self.folder.join(NOTICE), TEXT).map_err(Trouble::io(NOTICE))?;
        self.signed(teller, url)?;
        self.silent(teller, url)?;
        self.delivered(teller, url)
    }

    /// As the user types it; what is read is JSON.
    fn told(&self, teller: &mut Teller, args: &[&str]) -> Result<Value, Trouble> {
        let words: Vec<_> = args.iter().map(OsStr::new).collect();
        teller.command(self.house.shown(&words));
        let said = self.house.semper(&[&words[..], &[OsStr::new("--json")]].concat(), 0)?;
        serde_json::from_str(&said.out).map_err(|error| Trouble::Wrong(format!("{}: {error}", said.out)))
    }

    /// A command of a side that begins or answers a run.
    fn begins(&self, teller: &mut Teller, who: &str, url: &str, args: &[&str]) -> Result<Value, Trouble> {
        let (with, login) = (format!("{who}/party-legal.p12"), format!("{who}/party-auth.p12"));
        let by = ["--with", &with, "--identity", &login, "--trust", TRUST, "--url", url];
        self.told(teller, &[&["exchange"], args, &by].concat())
    }

    fn take(&self, teller: &mut Teller, message: &str, run: &str) -> Result<Value, Trouble> {
        self.told(teller, &["exchange", "take", message, "--run", run])
    }

    fn ask(&self, teller: &mut Teller, run: &str) -> Result<Value, Trouble> {
        self.told(teller, &["exchange", "ask", "--run", run])
    }

    /// First and second message of a contract, in the folders of this name.
    fn begun(&self, teller: &mut Teller, url: &str, name: &str) -> Result<[String; 2], Trouble> {
        let [seller, buyer] = ["seller", "buyer"].map(|who| format!("exchanges/{name}-{who}"));
        let offer = ["offer", CONTRACT, "--media-type", "application/pdf", "--to", TO_BUYER, "--run", &seller];
        self.begins(teller, "seller", url, &offer)?;
        let first = format!("{seller}/send-m1.json");
        self.begins(teller, "buyer", url, &["accept", &first, "--yes", "--run", &buyer])?;
        Ok([seller, buyer])
    }

    fn signed(&self, teller: &mut Teller, url: &str) -> Result<(), Trouble> {
        teller.step("Seller and buyer sign a contract among themselves, in four messages. Nobody asks the arbiter.");
        let [seller, buyer] = self.begun(teller, url, "signed")?;
        self.take(teller, &format!("{buyer}/send-m2.json"), &seller)?;
        self.take(teller, &format!("{seller}/send-m3.json"), &buyer)?;
        let done = self.take(teller, &format!("{buyer}/send-m4.json"), &seller)?;
        teller.result(state(&done)?);
        Ok(())
    }

    fn silent(&self, teller: &mut Teller, url: &str) -> Result<(), Trouble> {
        teller.step("A second contract: the seller has opened its commitment, and the buyer goes silent. The seller asks the arbiter.");
        let [seller, buyer] = self.begun(teller, url, "silent")?;
        self.take(teller, &format!("{buyer}/send-m2.json"), &seller)?;
        let done = self.ask(teller, &seller)?;
        teller.result(state(&done)?);

        teller.step("The buyer comes back and asks, too: it gets the same verdict.");
        let done = self.ask(teller, &buyer)?;
        teller.result(state(&done)?);
        let [one, other] = [&seller, &buyer].map(|run| format!("{run}/verdict.jws"));
        teller.command(format!("cmp {one} {other}"));
        if self.read(&one)? != self.read(&other)? {
            return Err(Trouble::Wrong("the two sides have two verdicts".to_owned()));
        }
        teller.result("the same, byte for byte".to_owned());
        Ok(())
    }

    fn delivered(&self, teller: &mut Teller, url: &str) -> Result<(), Trouble> {
        teller.step(
            "The seller delivers a notice. The buyer takes it, and withholds the receipt: the arbiter gives one.",
        );
        let [seller, buyer] = ["seller", "buyer"].map(|who| format!("exchanges/notice-{who}"));
        self.begins(teller, "seller", url, &["deliver", NOTICE, "--to", TO_BUYER, "--run", &seller])?;
        let first = format!("{seller}/send-d1.json");
        self.begins(teller, "buyer", url, &["accept", &first, "--yes", "--run", &buyer])?;
        self.take(teller, &format!("{buyer}/send-d2.json"), &seller)?;
        let done = self.ask(teller, &seller)?;
        teller.result(state(&done)?);
        // The key was left with the arbiter, so the buyer has the notice whenever it asks.
        self.ask(teller, &buyer)?;
        let message = format!("{buyer}/message");
        if self.read(&message)? != TEXT {
            return Err(Trouble::Wrong("the buyer has another notice than was delivered".to_owned()));
        }
        teller.result(format!("{message}: the notice, as it was delivered"));
        Ok(())
    }

    /// The same with the server gone.
    pub(super) fn verify(&self, teller: &mut Teller) -> Result<(), Trouble> {
        teller.step("Verify the arbiter's verdict, offline: what it rests on, its proof, who has a contract by it.");
        let verdict = format!("{SILENT}/verdict.jws");
        self.verified(teller, &["verify", &verdict, "--trust", TRUST])?;

        teller.step("Somebody with the arbiter's key has decided the same run once more, for the other side. Who holds both convicts it.");
        self.plant(&verdict)?;
        // Whose key it is the step before has shown, by the root: from now on it is known.
        let (shown, anchor) = (format!("{SILENT}/arbiter.pem"), format!("{TRUST}/arbiter.pem"));
        teller.command(format!("cp {shown} {anchor}"));
        fs::write(self.folder.join(&anchor), self.read(&shown)?).map_err(Trouble::io(&anchor))?;
        let accuse = ["exchange", "accuse", verdict.as_str(), PLANTED, &shown, "--trust", TRUST, "--out", "proofs"];
        let found = self.told(teller, &accuse)?;
        let file = found["proofs"][0]["file"].as_str();
        let file = file.ok_or_else(|| Trouble::Wrong(format!("nothing was found: {found}")))?.to_owned();
        teller.result(format!("{}: {file}", found["proofs"][0]["kind"].as_str().unwrap_or_default()));

        teller.step("Anybody judges that, offline.");
        self.verified(teller, &["verify", &file, "--trust", TRUST])
    }

    /// A verdict that says the opposite, by the arbiter's own key.
    fn plant(&self, verdict: &str) -> Result<(), Trouble> {
        let wrong = |what: &dyn std::fmt::Display| Trouble::Wrong(format!("the second verdict: {what}"));
        let said = Jws::parse(&self.read(verdict)?).and_then(|jws| jws.payload_as::<Verdict>());
        let Statement { common, mut body } = said.map_err(|fault| wrong(&fault))?;
        body.outcome = Outcome::Aborted;
        body.basis.truncate(1);
        let folder = DataFolder::open(&self.folder.join("data")).map_err(|fault| wrong(&fault))?;
        let config = folder.config(None).map_err(|fault| wrong(&fault))?;
        let custody = Custody::new(&folder, &config.keys).map_err(|fault| wrong(&fault))?;
        let key = custody.open(KeyId::new(KeyPurpose::ArbiterVerdict, 1)).map_err(|fault| wrong(&fault))?;
        let name = Key::from_spki_der(key.spki_der()).map_err(|fault| wrong(&fault))?.thumbprint();
        let mut salt = [0; 16];
        OsEntropy.fill(&mut salt).map_err(|fault| wrong(&fault))?;
        let statement = Statement { common: Common { salt: Salt(B64u(salt)), ..common }, body };
        let unsigned = Unsigned::new(&statement, Algorithm::Es256, name).map_err(|fault| wrong(&fault))?;
        let signature = key.sign_raw(unsigned.message()).map_err(|fault| wrong(&fault))?;
        let planted = unsigned.finish(&signature).map_err(|fault| wrong(&fault))?;
        fs::write(self.folder.join(PLANTED), planted.bytes()).map_err(Trouble::io(PLANTED))
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, Trouble> {
        fs::read(self.folder.join(name)).map_err(Trouble::io(name))
    }

    fn verified(&self, teller: &mut Teller, args: &[&str]) -> Result<(), Trouble> {
        let words: Vec<_> = args.iter().map(OsStr::new).collect();
        teller.command(self.house.shown(&words));
        let said = self.house.semper(&words, 0)?;
        teller.result(said.out.trim().lines().last().unwrap_or_default().to_owned());
        Ok(())
    }
}

/// Where a run stands, as the command tells.
fn state(told: &Value) -> Result<String, Trouble> {
    told["sentence"].as_str().map(str::to_owned).ok_or_else(|| Trouble::Wrong(format!("no state: {told}")))
}
