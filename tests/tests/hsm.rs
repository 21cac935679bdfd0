//! Keys in a PKCS#11 token: SoftHSM, and SoftHSM behind a module that fails as a test says (`shims/pkcs11.c`).
//!
//! A process has one module, with one configuration from the environment. So each test runs its steps in processes of its own: the
//! test binary starts itself anew for each.

use std::any;
use std::env;
use std::ops::Deref;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;

use cryptoki::context::Pkcs11;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, KeyType, ObjectClass};
use cryptoki::session::Session;
use semper_api::hsm::{HsmFault, KeyTrouble, Token, TokenName, TokenSettings};
use semper_tests::softhsm::{LABEL, PIN, SoftHsm, library};
use semper_tests::strangers::{run, text};
use semper_ttp::crypto::{
    Passphrase, PublicKey, SignError, SignatureAlgorithm, Signer, SoftKey, Verifier as _, is_low_s, raw_to_der,
};
use semper_ttp::digest::Digest;

use SignatureAlgorithm::{EcdsaP256Sha256 as P256, Ed25519, RsaPkcs1Sha256 as RSA};

// Answers of tokens (PKCS#11 v2.40 §5.1).
const FUNCTION_FAILED: u32 = 0x06;
const DEVICE_ERROR: u32 = 0x30;
const MECHANISM_INVALID: u32 = 0x70;
const PIN_INCORRECT: u32 = 0xA0;
const SESSION_COUNT: u32 = 0xB1;
const TOKEN_NOT_PRESENT: u32 = 0xE0;

/// What tells that session, login or token is gone: CKR_DEVICE_ERROR, _DEVICE_REMOVED, _KEY_HANDLE_INVALID,
/// _OBJECT_HANDLE_INVALID, _SESSION_CLOSED, _SESSION_HANDLE_INVALID, _TOKEN_NOT_PRESENT, _USER_NOT_LOGGED_IN, and
/// _SLOT_ID_INVALID.
const LOST: [u32; 9] = [DEVICE_ERROR, 0x32, 0x60, 0x82, 0xB0, 0xB3, TOKEN_NOT_PRESENT, 0x101, 0x03];

// Flags of CK_TOKEN_INFO.
const USER_PIN_COUNT_LOW: u32 = 0x1_0000;
const USER_PIN_FINAL_TRY: u32 = 0x2_0000;
const USER_PIN_LOCKED: u32 = 0x4_0000;

/// The name of the test in which it stands.
macro_rules! this_test {
    () => {{
        fn here() {}
        any::type_name_of_val(&here).split("::").nth(1).expect("a function of this file")
    }};
}

#[test]
fn a_token_makes_keys_and_signs() {
    Hsm::test(this_test!(), |hsm| {
        let token = hsm.open().unwrap();
        for algorithm in [P256, RSA, Ed25519] {
            let id = [algorithm.code() as u8];
            let spki = token.generate(algorithm, "ca-root.1", &id).unwrap();
            let key = token.signer(&spki).unwrap();
            assert_eq!((key.algorithm(), key.spki_der()), (algorithm, &spki[..]));
            let public = PublicKey::from_spki_der(&spki).unwrap();
            let signature = key.sign(b"message").unwrap();
            assert!(public.verify(b"message", &signature) && !public.verify(b"massage", &signature));
            assert!(public.verify(&[], &key.sign(&[]).unwrap()));
            let long = vec![7; 1 << 20];
            assert!(public.verify(&long, &key.sign(&long).unwrap()), "a CRL can be long");
            assert_eq!(token.generate(algorithm, "another", &id), Err(HsmFault::IdTaken { id: id.to_vec() }));
            assert_shows_no_pin(&format!("{token:?} {key:?} {:?}", hsm.settings()));
        }
        let key = token.signer(&token.generate(P256, "tsu-ec.1", b"tsu-ec.1").unwrap()).unwrap();
        let public = PublicKey::from_spki_der(key.spki_der()).unwrap();
        for i in 0..64_u8 {
            let signature = key.sign(&[i]).unwrap();
            assert!(is_low_s(&signature) && public.verify(&[i], &signature), "{}", hex::encode(signature));
            let raw: [u8; 64] = key.sign_raw(&[i]).unwrap().try_into().unwrap();
            assert!(public.verify(&[i], &raw_to_der(&raw)));
        }
        assert_eq!(token.logins(), 1);
    });
}

#[test]
fn another_process_finds_the_keys_again() {
    Hsm::test_in_steps(this_test!(), &[make_keys, find_keys]);
}

fn make_keys(hsm: &Hsm) {
    let token = hsm.open().unwrap();
    // One label for all, since it says nothing.
    let keys = [P256, P256, RSA, Ed25519].iter().zip(0..).map(|(algorithm, id)| {
        let spki = token.generate(*algorithm, "key", &[id]).unwrap();
        hex::encode(spki) + "\n"
    });
    hsm.write("keys", &keys.collect::<String>());
}

fn find_keys(hsm: &Hsm) {
    let token = hsm.open().unwrap();
    for key in hsm.written("keys").lines() {
        let spki = hex::decode(key).unwrap();
        let signature = token.signer(&spki).unwrap().sign(b"again").unwrap();
        assert!(PublicKey::from_spki_der(&spki).unwrap().verify(b"again", &signature));
    }
    assert_eq!(hsm.written("keys").lines().count(), 4);
}

#[test]
fn eight_threads_share_three_sessions() {
    Hsm::test(this_test!(), |hsm| {
        let token = hsm.open().unwrap();
        let ec = token.signer(&token.generate(P256, "ec", b"ec").unwrap()).unwrap();
        let rsa = token.signer(&token.generate(RSA, "rsa", b"rsa").unwrap()).unwrap();
        let keys: [Arc<dyn Signer>; 2] = [Arc::new(ec), Arc::new(rsa)];
        at_once(8, |thread| {
            for i in 0..40_u8 {
                let key = &keys[usize::from(i % 8 == 0)];
                let signature = key.sign(&[thread, i]).unwrap();
                assert!(PublicKey::from_spki_der(key.spki_der()).unwrap().verify(&[thread, i], &signature));
            }
        });
        assert_eq!(token.logins(), 1);
    });
}

#[test]
fn what_cannot_be_opened_says_why() {
    Hsm::test_in_steps(this_test!(), &[open_in_vain, open_one_of_two]);
}

fn open_in_vain(hsm: &Hsm) {
    let settings = hsm.settings();
    let nowhere = TokenSettings { module: hsm.folder.join("nothing.so"), ..settings.clone() };
    assert!(matches!(fault(nowhere), HsmFault::ModuleNotLoaded { .. }));
    hsm.write("text.so", "no library");
    let text = TokenSettings { module: hsm.folder.join("text.so"), ..settings.clone() };
    assert!(matches!(fault(text), HsmFault::ModuleNotLoaded { .. }));

    let unknown = TokenSettings { name: TokenName::Label("sempre".to_owned()), ..settings.clone() };
    let HsmFault::NoSuchToken { found, .. } = fault(unknown) else { panic!("there is a token of that name") };
    assert!(found.len() == 1 && found[0].starts_with("\"semper\" (serial number "), "{found:?}");

    // The same module by another name is the same; another one is refused, and the first still serves.
    let link = hsm.folder.join("link.so");
    std::os::unix::fs::symlink(&settings.module, &link).unwrap();
    let token = Token::open(TokenSettings { module: link, ..settings.clone() }).unwrap();
    let other = TokenSettings { module: library(), ..settings.clone() };
    assert!(matches!(fault(other), HsmFault::SecondModule { .. }));
    let spki = token.generate(P256, "ec", b"ec").unwrap();

    hsm.set("token-sessions", 5);
    for sessions in [0, 6] {
        let asked = TokenSettings { sessions, ..settings.clone() };
        assert_eq!(fault(asked), HsmFault::Sessions { asked: sessions, max: Some(5) });
    }
    hsm.set("token-sessions", 3);
    let token = hsm.open().unwrap();
    token.signer(&spki).unwrap();
    // The session for writing would be the fourth.
    hsm.set("C_OpenSession", SESSION_COUNT);
    assert!(matches!(token.generate(P256, "ec", b"another"), Err(HsmFault::NoSessionLeft(_))));
    hsm.unset("C_OpenSession");

    // By its label, until another token has the same.
    hsm.write("serial", hsm.raw().get_token_info(hsm.slot()).unwrap().serial_number());
    hsm.init_token();
}

fn open_one_of_two(hsm: &Hsm) {
    let HsmFault::AmbiguousToken { found, .. } = fault(hsm.settings()) else { panic!("two have that label") };
    assert_eq!(found.len(), 2);
    let name = TokenName::Serial(hsm.written("serial"));
    Token::open(TokenSettings { name, ..hsm.settings() }).unwrap();
}

#[test]
fn a_wrong_pin_is_sent_once_and_never_the_last_time() {
    Hsm::test(this_test!(), |hsm| {
        for pin in ["7291-house", "", "x"] {
            let before = hsm.calls("C_Login");
            let wrong = TokenSettings { pin: Passphrase::new(pin.to_owned()), ..hsm.settings() };
            assert_eq!(fault(wrong), HsmFault::PinIncorrect, "{pin:?}");
            assert_eq!(hsm.calls("C_Login"), before + 1);
        }
        let before = hsm.calls("C_Login");
        for (flag, told) in [(USER_PIN_FINAL_TRY, HsmFault::PinFinalTry), (USER_PIN_LOCKED, HsmFault::PinLocked)] {
            hsm.set("token-flags", flag);
            assert_eq!(fault(hsm.settings()), told);
        }
        assert_eq!(hsm.calls("C_Login"), before);
        hsm.set("token-flags", USER_PIN_COUNT_LOW);
        hsm.open().unwrap();
    });
}

#[test]
fn a_key_that_a_token_cannot_make_is_refused_by_name() {
    Hsm::test(this_test!(), |hsm| {
        let token = hsm.open().unwrap();
        for algorithm in [P256, RSA, Ed25519] {
            hsm.set("C_GenerateKeyPair", MECHANISM_INVALID);
            let refusal = token.generate(algorithm, "key", b"key").unwrap_err();
            assert!(
                matches!(refusal, HsmFault::Unsupported { algorithm: named, .. } if named == algorithm),
                "{refusal}"
            );
            hsm.unset("C_GenerateKeyPair");
        }
        // A pair whose signature does not come is no pair, and is not left behind.
        hsm.set("C_SignInit", FUNCTION_FAILED);
        assert!(matches!(token.generate(P256, "key", b"key"), Err(HsmFault::Refused(_))));
        hsm.unset("C_SignInit");
        token.generate(P256, "key", b"key").unwrap();
        let session = hsm.raw().open_ro_session(hsm.slot()).unwrap();
        assert_eq!(session.find_objects(&[Attribute::Id(b"key".to_vec())]).unwrap().len(), 2, "one pair");
        assert_eq!(token.logins(), 1);
    });
}

#[test]
fn keys_that_are_not_kept_well_are_refused() {
    Hsm::test(this_test!(), |hsm| {
        let token = hsm.open().unwrap();
        let lax = Token::open(TokenSettings { allow_imported: true, ..hsm.settings() }).unwrap();
        let session = hsm.raw().open_rw_session(hsm.slot()).unwrap();
        let trouble = |token: &Arc<Token>, spki: &[u8]| match token.signer(spki) {
            Err(HsmFault::KeyRefused { spki: named, trouble }) => {
                assert_eq!(named, Digest::of(spki));
                Some(trouble)
            }
            Err(other) => panic!("{other}"),
            Ok(_) => None,
        };

        let extractable = generate(&session, b"1", &[Attribute::Sensitive(true), Attribute::Extractable(true)]);
        assert_eq!(trouble(&token, &extractable), Some(KeyTrouble::Extractable));
        assert_eq!(trouble(&lax, &extractable), Some(KeyTrouble::Extractable));
        let readable = generate(&session, b"2", &[Attribute::Sensitive(false), Attribute::Extractable(false)]);
        assert_eq!(trouble(&token, &readable), Some(KeyTrouble::NotSensitive));
        let kept = [Attribute::Sensitive(true), Attribute::Extractable(false)];
        let silent = generate(&session, b"3", &[&kept[..], &[Attribute::Sign(false)]].concat());
        assert_eq!(trouble(&token, &silent), Some(KeyTrouble::NotForSigning));
        let asking = generate(&session, b"4", &[&kept[..], &[Attribute::AlwaysAuthenticate(true)]].concat());
        assert_eq!(trouble(&token, &asking), Some(KeyTrouble::AlwaysAuthenticate));

        let soft = SoftKey::generate(P256).unwrap();
        import(&session, &soft, b"5", true);
        assert_eq!(trouble(&token, soft.spki_der()), Some(KeyTrouble::Imported));
        let imported = lax.signer(soft.spki_der()).unwrap();
        assert!(PublicKey::from_spki_der(soft.spki_der()).unwrap().verify(b"m", &imported.sign(b"m").unwrap()));

        // Not there; there as a public key only; nothing that we use.
        let stranger = SoftKey::generate(P256).unwrap();
        let keys = 5;
        let gone = HsmFault::KeyNotFound { spki: Digest::of(stranger.spki_der()), keys };
        assert_eq!(token.signer(stranger.spki_der()).unwrap_err(), gone);
        import_public(&session, &stranger, b"6");
        assert_eq!(token.signer(stranger.spki_der()).unwrap_err(), gone);
        assert!(matches!(token.signer(b"no key"), Err(HsmFault::PublicKey(_))));
        assert_eq!(token.logins(), 1);
    });
}

#[test]
fn what_is_destroyed_is_gone_and_nothing_else() {
    Hsm::test(this_test!(), |hsm| {
        let token = hsm.open().unwrap();
        let [one, two, rsa] = [(P256, "one"), (P256, "two"), (RSA, "rsa")]
            .map(|(algorithm, id)| token.generate(algorithm, "tsu-ec.2", id.as_bytes()).unwrap());
        assert_eq!(token.destroy(b"one").unwrap(), 2, "both halves");
        assert_eq!(token.destroy(b"one").unwrap(), 0);
        assert!(matches!(token.signer(&one), Err(HsmFault::KeyNotFound { .. })));
        token.signer(&two).unwrap().sign(b"m").unwrap();
        let key = token.signer(&rsa).unwrap();
        token.destroy_key(&rsa).unwrap();
        assert!(matches!(token.destroy_key(&rsa), Err(HsmFault::KeyNotFound { .. })));
        key.sign(b"m").unwrap_err();
        token.generate(RSA, "rsa", b"rsa").expect("its id is free again");
        token.signer(&two).unwrap().sign(b"m").unwrap();
    });
}

/// Tokens let two keys have one id, and lose public keys.
#[test]
fn the_public_key_decides_and_not_the_id() {
    Hsm::test(this_test!(), |hsm| {
        let token = Token::open(TokenSettings { allow_imported: true, ..hsm.settings() }).unwrap();
        let session = hsm.raw().open_rw_session(hsm.slot()).unwrap();
        let keys = [(); 4].map(|()| SoftKey::generate(P256).unwrap());
        for (i, key) in keys.iter().enumerate() {
            // The first two under one id; of the last no public key.
            import(&session, key, &[i.max(1) as u8], i < 3);
        }
        for key in &keys {
            let found = token.signer(key.spki_der()).unwrap();
            let public = PublicKey::from_spki_der(key.spki_der()).unwrap();
            assert!(public.verify(b"message", &found.sign(b"message").unwrap()));
        }
    });
}

#[test]
fn sessions_that_died_are_opened_anew_by_one_login() {
    Hsm::test(this_test!(), |hsm| {
        let token = hsm.open().unwrap();
        let key = token.signer(&token.generate(P256, "ec", b"ec").unwrap()).unwrap();
        let public = PublicKey::from_spki_der(key.spki_der()).unwrap();
        let signs = || {
            at_once(8, |thread| {
                for i in 0..10 {
                    let signature = key.sign(&[thread, i]).unwrap();
                    assert!(public.verify(&[thread, i], &signature));
                }
            });
        };
        signs();
        assert_eq!(hsm.calls("C_Login"), 1);

        hsm.close_all_sessions();
        signs();
        assert_eq!(hsm.calls("C_Login"), 2, "for all threads one");

        // A logout leaves the sessions and takes the keys away from them.
        hsm.raw().open_ro_session(hsm.slot()).unwrap().logout().unwrap();
        signs();
        assert_eq!(hsm.calls("C_Login"), 3);
        // Who looks for a key then sees none.
        hsm.raw().open_ro_session(hsm.slot()).unwrap().logout().unwrap();
        token.signer(key.spki_der()).unwrap();
        hsm.raw().open_ro_session(hsm.slot()).unwrap().logout().unwrap();
        token.generate(P256, "ec", b"another").unwrap();

        let mut logins = hsm.calls("C_Login");
        for answer in LOST {
            hsm.set("C_SignInit.once", answer);
            signs();
            logins += 1;
            assert_eq!(hsm.calls("C_Login"), logins, "{answer:#x}");
            assert_eq!(token.logins(), logins as u64);
        }
        // The fourth is this test's own, or the one for writing.
        assert_eq!(hsm.sessions_now_and_at_most(), (3, 4));
    });
}

/// Closed after the others are opened, it might close one of them.
#[test]
fn a_session_in_use_is_waited_for_before_new_ones_are_opened() {
    Hsm::test(this_test!(), |hsm| {
        let token = hsm.open().unwrap();
        let key = token.signer(&token.generate(P256, "ec", b"ec").unwrap()).unwrap();
        let made = hsm.calls("C_GenerateKeyPair");
        thread::scope(|scope| {
            // It takes as long as a hundred signatures. Should it still be quicker than this thread, it may meet the fault.
            scope.spawn(|| drop(token.generate(RSA, "rsa", b"rsa")));
            while hsm.calls("C_GenerateKeyPair") == made {
                thread::yield_now();
            }
            hsm.set("C_SignInit.once", DEVICE_ERROR);
            key.sign(b"m").unwrap();
        });
        assert_eq!(token.logins(), 2);
        assert_eq!(hsm.sessions_now_and_at_most(), (3, 4), "three, and one for writing");
    });
}

#[test]
fn a_token_that_stays_away_costs_an_error_and_comes_back() {
    Hsm::test(this_test!(), |hsm| {
        let token = hsm.open().unwrap();
        let key = token.signer(&token.generate(P256, "ec", b"ec").unwrap()).unwrap();

        // Every signature fails: each call tries twice.
        let (signs, logins) = (hsm.calls("C_SignInit"), hsm.calls("C_Login"));
        hsm.set("C_SignInit", DEVICE_ERROR);
        assert_eq!(key.sign(b"m"), Err(SignError { reason: "the PKCS#11 token is not there" }));
        assert_eq!((hsm.calls("C_SignInit"), hsm.calls("C_Login")), (signs + 2, logins + 1));
        hsm.unset("C_SignInit");
        key.sign(b"m").unwrap();

        // No session can be opened: those who wait for one try fail with it.
        hsm.set("C_OpenSession", TOKEN_NOT_PRESENT);
        hsm.close_all_sessions();
        at_once(8, |_| assert_eq!(key.sign(b"m"), Err(SignError { reason: "the PKCS#11 token is not there" })));
        hsm.unset("C_OpenSession");
        at_once(8, |_| drop(key.sign(b"m").unwrap()));

        // A refusal of another kind is not tried again, and the session, in which an operation is still open, blocks nobody.
        let (signs, logins) = (hsm.calls("C_SignInit"), hsm.calls("C_Login"));
        hsm.set("C_Sign.once", FUNCTION_FAILED);
        assert_eq!(key.sign(b"m"), Err(SignError { reason: "the PKCS#11 token refused to sign" }));
        assert_eq!(hsm.calls("C_SignInit"), signs + 1);
        at_once(8, |_| drop(key.sign(b"m").unwrap()));
        assert_eq!(hsm.calls("C_Login"), logins);

        // So also where it is the only session: the login outlives it.
        let narrow = Token::open(TokenSettings { sessions: 1, ..hsm.settings() }).unwrap();
        let alone = narrow.signer(key.spki_der()).unwrap();
        drop((key, token));
        hsm.set("C_Sign.once", FUNCTION_FAILED);
        alone.sign(b"m").unwrap_err();
        alone.sign(b"m").unwrap();
        assert_eq!(narrow.logins(), 1);
    });
}

#[test]
fn a_pin_that_was_refused_is_never_sent_again() {
    Hsm::test(this_test!(), |hsm| {
        let token = hsm.open().unwrap();
        let spki = token.generate(P256, "ec", b"ec").unwrap();
        let key = token.signer(&spki).unwrap();
        hsm.set("C_Login", PIN_INCORRECT);
        hsm.close_all_sessions();
        let refused = Err(SignError { reason: "the PKCS#11 token refuses the PIN" });
        at_once(8, |_| assert_eq!(key.sign(b"m"), refused));
        // Although it would be taken now.
        hsm.unset("C_Login");
        at_once(8, |_| assert_eq!(key.sign(b"m"), refused));
        assert_eq!(token.signer(&spki).unwrap_err(), HsmFault::PinIncorrect);
        assert_eq!(hsm.calls("C_Login"), 2, "when it was opened, and once after the sessions died");
        // An operator who opens it anew has a reason to.
        hsm.open().unwrap().signer(&spki).unwrap();
    });
}

// ---- the harness ------------------------------------------------------------------------------------------------------------

/// A token of its own for the processes of one test.
struct Hsm(SoftHsm);

impl Deref for Hsm {
    type Target = SoftHsm;

    fn deref(&self) -> &SoftHsm {
        &self.0
    }
}

/// Where a step's process finds the folder; who has it is such a process.
const FOLDER: &str = "SEMPER_TEST_PKCS11";
/// Which step.
const STEP: &str = "SEMPER_TEST_PKCS11_STEP";

impl Hsm {
    /// Runs the test called `name` in a process of its own.
    fn test(name: &str, step: fn(&Self)) {
        Self::test_in_steps(name, &[step]);
    }

    /// Runs each step of the test called `name` in a process of its own, in order, on one token.
    fn test_in_steps(name: &str, steps: &[fn(&Self)]) {
        if let Some(folder) = env::var_os(FOLDER) {
            let step: usize = env::var(STEP).unwrap().parse().unwrap();
            return steps[step](&Self(SoftHsm::at(Path::new(&folder))));
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let hsm = Self(SoftHsm::new(folder.path()));
        for step in 0..steps.len() {
            let mut child = Command::new(env::current_exe().expect("this test's binary"));
            child.args(["--exact", name, "--nocapture"]).env(STEP, step.to_string());
            child.envs(hsm.environment());
            let output = run(&mut child);
            // A name that is not this test's would run nothing, and succeed.
            let passed = output.status.success() && text(&output).contains("1 passed");
            assert!(passed, "step {step} ended with {}:\n{}", output.status, text(&output));
        }
    }

    fn settings(&self) -> TokenSettings {
        TokenSettings {
            module: self.module(),
            name: TokenName::Label(LABEL.to_owned()),
            pin: Passphrase::new(PIN.to_owned()),
            sessions: 3,
            allow_imported: false,
        }
    }

    fn open(&self) -> Result<Arc<Token>, HsmFault> {
        Token::open(self.settings())
    }

    /// The module beside `Token`, which must have loaded it: to do what an operator or another program does.
    fn raw(&self) -> Pkcs11 {
        Pkcs11::new(self.module()).unwrap()
    }

    fn slot(&self) -> cryptoki::slot::Slot {
        self.raw().get_slots_with_initialized_token().unwrap()[0]
    }

    /// Behind the back of those who have them; nobody may use one meanwhile, which SoftHSM would not survive.
    fn close_all_sessions(&self) {
        let slot = self.slot();
        self.write("close-all", "");
        self.raw().get_token_info(slot).unwrap();
    }

    /// Sessions that are open, whoever has them, and the most that ever were.
    fn sessions_now_and_at_most(&self) -> (i32, i32) {
        self.written("calls").lines().fold((0, 0), |(now, most), call| {
            let now = now + i32::from(call == "C_OpenSession") - i32::from(call == "C_CloseSession");
            (now, most.max(now))
        })
    }
}

/// Runs `work` in so many threads, told their number.
fn at_once(threads: u8, work: impl Fn(u8) + Sync) {
    thread::scope(|scope| {
        for thread in 0..threads {
            let work = &work;
            scope.spawn(move || work(thread));
        }
    });
}

/// Why a token does not open.
fn fault(settings: TokenSettings) -> HsmFault {
    let fault = Token::open(settings).unwrap_err();
    assert_shows_no_pin(&format!("{fault} {fault:?}"));
    fault
}

fn assert_shows_no_pin(text: &str) {
    assert!(!text.contains(PIN) && !text.contains("horse") && !text.contains("7291"), "{text}");
}

/// CKA_EC_PARAMS of P-256.
fn p256() -> Attribute {
    Attribute::EcParams(hex::decode("06082a8648ce3d030107").unwrap())
}

/// A P-256 key pair made in the token, its private half with these attributes; gives the SubjectPublicKeyInfo.
fn generate(session: &Session, id: &[u8], attributes: &[Attribute]) -> Vec<u8> {
    let public = [Attribute::Token(true), Attribute::Id(id.to_vec()), p256()];
    let mut private = vec![Attribute::Token(true), Attribute::Private(true), Attribute::Id(id.to_vec())];
    if !attributes.iter().any(|attribute| matches!(attribute, Attribute::Sign(_))) {
        private.push(Attribute::Sign(true));
    }
    private.extend_from_slice(attributes);
    let (public, _) = session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private).unwrap();
    let found = session.get_attributes(public, &[cryptoki::object::AttributeType::EcPoint]).unwrap();
    let [Attribute::EcPoint(point)] = &found[..] else { panic!("{found:?}") };
    PublicKey::from_p256_point(&point[2..]).unwrap().spki_der().to_vec()
}

/// A P-256 key from outside, kept well from now on.
fn import(session: &Session, key: &SoftKey, id: &[u8], with_public: bool) {
    let pkcs8 = key.to_pkcs8_der().unwrap();
    // PrivateKeyInfo of RFC 5958 with an ECPrivateKey of RFC 5915: the number follows 36 octets.
    let value = Attribute::Value(pkcs8[36..68].to_vec());
    let template = [
        Attribute::Class(ObjectClass::PRIVATE_KEY),
        Attribute::KeyType(KeyType::EC),
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
        Attribute::Id(id.to_vec()),
        p256(),
        value,
    ];
    session.create_object(&template).unwrap();
    if with_public {
        import_public(session, key, id);
    }
}

fn import_public(session: &Session, key: &SoftKey, id: &[u8]) {
    let point = [&[0x04, 0x41], &key.spki_der()[26..]].concat();
    let template = [
        Attribute::Class(ObjectClass::PUBLIC_KEY),
        Attribute::KeyType(KeyType::EC),
        Attribute::Token(true),
        Attribute::Verify(true),
        Attribute::Id(id.to_vec()),
        p256(),
        Attribute::EcPoint(point),
    ];
    session.create_object(&template).unwrap();
}
