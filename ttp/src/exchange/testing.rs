//! Two parties, an arbiter, and the messages of a run, for the tests of this crate.

use std::sync::{Arc, LazyLock};

use crate::b64u::B64u;
use crate::crypto::jose::{Algorithm, Key, Thumbprint};
use crate::crypto::{SignatureAlgorithm, Signer, SoftKey};
use crate::digest::Digest;
use crate::id::PartyId;
use crate::statement::exchange::asw_r::{Abort, M1, M2, M3, M4, Resolve};
use crate::statement::exchange::{Arbiter, Assurance, Line, Participant, Scheme, Side};
use crate::statement::{Body, Common, Jws, Millis, Origin, Salt, Statement, Unsigned};

use super::asw_r::{Answered, Offered, commitment_o, commitment_r};

/// Who has a key here.
pub(crate) struct Person {
    pub(crate) key: SoftKey,
    pub(crate) public: Arc<Key>,
}

impl Person {
    fn new(algorithm: SignatureAlgorithm) -> Self {
        let key = SoftKey::generate(algorithm).unwrap();
        let public = Arc::new(Key::from_spki_der(key.spki_der()).unwrap());
        Self { key, public }
    }

    pub(crate) fn name(&self) -> Thumbprint {
        self.public.thumbprint()
    }

    /// Signs a body, `x` in front of it where it follows.
    pub(crate) fn sign<B: Body>(&self, x: Option<Digest>, body: B) -> Jws {
        let common =
            Common { salt: Salt(B64u([5; 16])), iat: Millis::new(IAT).unwrap(), x: x.map(Into::into), shown: None };
        let algorithm = Algorithm::of_signer(self.key.algorithm()).unwrap();
        let unsigned = Unsigned::new(&Statement { common, body }, algorithm, self.name()).unwrap();
        let signature = self.key.sign_raw(unsigned.message()).unwrap();
        unsigned.finish(&signature).unwrap()
    }
}

/// When everything here says that it was signed.
pub(crate) const IAT: u64 = 1_772_366_400_250;

/// Both sides, their arbiter and a stranger.
pub(crate) struct People {
    pub(crate) o: Person,
    pub(crate) r: Person,
    pub(crate) t: Person,
    pub(crate) stranger: Person,
}

pub(crate) static PEOPLE: LazyLock<People> = LazyLock::new(|| {
    let [o, t, stranger] = [(); 3].map(|()| Person::new(SignatureAlgorithm::EcdsaP256Sha256));
    People { o, r: Person::new(SignatureAlgorithm::Ed25519), t, stranger }
});

/// Finds the keys of all four.
pub(crate) fn keys(name: &Thumbprint) -> Option<Arc<Key>> {
    let People { o, r, t, stranger } = &*PEOPLE;
    [o, r, t, stranger].into_iter().map(|person| &person.public).find(|key| key.thumbprint() == *name).cloned()
}

pub(crate) const N_O: [u8; 32] = [1; 32];
pub(crate) const N_R: [u8; 32] = [2; 32];

/// A participant with a person's key.
pub(crate) fn participant(id: u8, person: &Person) -> Participant {
    Participant { id: PartyId::from([id; 16]), scheme: Scheme::Semper, key: person.name() }
}

pub(crate) fn arbiter() -> Arbiter {
    Arbiter {
        id: Origin::new("ttp.example/log").unwrap(),
        key: PEOPLE.t.name(),
        url: Line::new("https://ttp.example").unwrap(),
        log: Line::new("ttp.example/log+deadbeef+AAAA").unwrap(),
    }
}

/// What the originator offers, until `t_exp`.
pub(crate) fn offer(t_exp: Option<u64>) -> M1 {
    M1 {
        deal: None,
        policy: Digest::of(b"policy").into(),
        o: participant(1, &PEOPLE.o),
        r: participant(2, &PEOPLE.r),
        ttp: arbiter(),
        terms: super::terms_hash(&[3; 32], b"I sell, you buy.").into(),
        terms_media: Line::new("text/plain").unwrap(),
        t_exp: t_exp.map(|millis| Millis::new(millis).unwrap()),
        c_o: commitment_o(&N_O).into(),
        assurance: Assurance::NonQualified,
    }
}

/// A run with all its messages.
pub(crate) struct Script {
    pub(crate) offered: Offered,
    pub(crate) answered: Answered,
    pub(crate) m3: Jws,
    pub(crate) m4: Jws,
    pub(crate) abort: Jws,
}

impl Script {
    pub(crate) fn new(t_exp: Option<u64>) -> Self {
        Self::of(offer(t_exp))
    }

    pub(crate) fn of(offer: M1) -> Self {
        let People { o, r, .. } = &*PEOPLE;
        let offered = Offered::read(o.sign(None, offer), &keys).unwrap();
        let x = offered.run.x;
        let c_r = commitment_r(&x, &N_R);
        let answered = offered.answered(r.sign(Some(x), m2(&offered, c_r)), &keys).unwrap();
        let m3 = o.sign(Some(x), M3 { n_o: B64u(N_O), c_r: c_r.into() });
        let m4 = r.sign(Some(x), M4 { n_r: B64u(N_R), c_o: offered.offer.c_o });
        let abort = o.sign(Some(x), Abort {});
        Self { offered, answered, m3, m4, abort }
    }

    pub(crate) fn x(&self) -> Digest {
        self.offered.run.x
    }

    /// A request to resolve, by a side.
    pub(crate) fn resolve(&self, side: Side) -> Jws {
        let by = match side {
            Side::Originator => &PEOPLE.o,
            Side::Responder => &PEOPLE.r,
        };
        by.sign(Some(self.x()), Resolve { side, m2: self.answered.jws.digest().into() })
    }
}

/// An answer to an offer with any commitment.
pub(crate) fn m2(offered: &Offered, c_r: Digest) -> M2 {
    M2 { m1: offered.jws.digest().into(), c_r: c_r.into() }
}

/// The same statement with the other signature that anybody can make.
pub(crate) fn twin(jws: &Jws) -> Jws {
    let signature = jws.algorithm().twin(jws.signature()).expect("ECDSA");
    let bytes = [jws.signing_input(), b".", crate::b64u::encode(&signature).as_bytes()].concat();
    let twin = Jws::parse(&bytes).unwrap();
    assert_ne!(twin.digest(), jws.digest());
    twin
}
