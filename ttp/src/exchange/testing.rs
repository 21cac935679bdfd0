//! Two parties, an arbiter, and the messages of a run, for the tests of this crate.

use std::sync::{Arc, LazyLock};

use crate::b64u::B64u;
use crate::crypto::jose::{Algorithm, Key, Thumbprint};
use crate::crypto::jwe::{AgreementKey, seal};
use crate::crypto::{SecretKey, SeededEntropy, SignatureAlgorithm, Signer, SoftKey};
use crate::digest::Digest;
use crate::id::PartyId;
use crate::statement::exchange::asw_r::{Abort, M1, M2, M3, M4, Resolve};
use crate::statement::exchange::cd_r::{
    AbortDelivery, ContentKey, D1, D2, D3, D4, EscrowArbiter, EscrowText, Mode, ResolveO, ResolveR, Reveal, Subject,
};
use crate::statement::exchange::{Arbiter, Assurance, Line, Participant, Scheme, Side};
use crate::statement::{Body, Common, Count, Jws, Millis, Origin, Salt, Statement, Unsigned};

use super::asw_r::{Answered, Offered, commitment_o, commitment_r};
use super::cd_r::{Agreed, Posted, escrow_context, key_hash, message_hash, seal_content};

/// Who has a key here.
pub(crate) struct Person {
    pub(crate) key: SoftKey,
    pub(crate) public: Arc<Key>,
}

impl Person {
    pub(crate) fn new(algorithm: SignatureAlgorithm) -> Self {
        let key = SoftKey::generate(algorithm).unwrap();
        let public = Arc::new(Key::from_spki_der(key.spki_der()).unwrap());
        Self { key, public }
    }

    pub(crate) fn name(&self) -> Thumbprint {
        self.public.thumbprint()
    }

    /// Signs a body, `x` in front of it where it follows.
    pub(crate) fn sign<B: Body>(&self, x: Option<Digest>, body: B) -> Jws {
        self.sign_at(Millis::new(IAT).unwrap(), x, body)
    }

    /// The same at another moment.
    pub(crate) fn sign_at<B: Body>(&self, iat: Millis, x: Option<Digest>, body: B) -> Jws {
        let common = Common { salt: Salt(B64u([5; 16])), iat, x: x.map(Into::into), shown: None };
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

/// The key that opens escrows, and the one that the originator uses once.
pub(crate) static ESCROW: LazyLock<[AgreementKey; 2]> =
    LazyLock::new(|| [(); 2].map(|()| AgreementKey::generate().unwrap()));

pub(crate) const MESSAGE: &[u8] = b"The goods leave on Monday.";
pub(crate) const SALT_M: [u8; 32] = [4; 32];
pub(crate) const N: [u8; 32] = [6; 32];

/// A content's key of one octet again and again.
pub(crate) fn secret(octet: u8) -> SecretKey {
    SecretKey::new([octet; 32].into())
}

/// What is delivered, until `t_exp`, with its sealed content.
pub(crate) fn delivery(t_exp: Option<u64>) -> (D1, Vec<u8>) {
    let key = secret(9);
    let content = seal_content(&key, &N, &SALT_M, MESSAGE, &SeededEntropy::new(3)).unwrap();
    let Arbiter { id, key: signs, url, log } = arbiter();
    let M1 { policy, o, r, t_exp, assurance, .. } = offer(t_exp);
    let mut delivery = D1 {
        deal: None,
        policy,
        o,
        r,
        ttp: EscrowArbiter { id, key: signs, escrow_key: ESCROW[0].public().thumbprint(), url, log },
        n: B64u(N),
        c_sha256: Digest::of(&content).into(),
        c_len: Count::new(content.len() as u64).unwrap(),
        hm: message_hash(&SALT_M, MESSAGE).into(),
        hk: key_hash(&key).into(),
        esc: EscrowText::new("e").unwrap(),
        subject: Subject { class: Line::new("letter").unwrap(), sha256: None },
        mode: Mode::Basic,
        reveal: Reveal::Named,
        t_exp,
        pay: None,
        assurance,
    };
    delivery.esc = escrow_of(&delivery, &key);
    (delivery, content)
}

/// The escrow of a key for what a delivery says now.
pub(crate) fn escrow_of(delivery: &D1, key: &SecretKey) -> EscrowText {
    let [arbiter, ephemeral] = &*ESCROW;
    let context = escrow_context(delivery).0;
    let sealed = seal(key, arbiter.public(), &delivery.o.key.0.0, &context, ephemeral, &SeededEntropy::new(8));
    EscrowText::new(&sealed.unwrap()).unwrap()
}

/// A delivery with all its messages.
pub(crate) struct Delivery {
    pub(crate) posted: Posted,
    pub(crate) agreed: Agreed,
    pub(crate) content: Vec<u8>,
    pub(crate) d3: Jws,
    pub(crate) d4: Jws,
    pub(crate) abort: Jws,
    pub(crate) resolve_r: Jws,
    pub(crate) resolve_o: Jws,
}

impl Delivery {
    pub(crate) fn new(t_exp: Option<u64>) -> Self {
        let (delivered, content) = delivery(t_exp);
        Self::of(delivered, content)
    }

    pub(crate) fn of(delivered: D1, content: Vec<u8>) -> Self {
        let People { o, r, .. } = &*PEOPLE;
        let hm = delivered.hm;
        let posted = Posted::read(o.sign(None, delivered), &keys).unwrap();
        let x = Some(posted.run.x);
        let k = || ContentKey::from(&secret(9));
        Self {
            agreed: posted.agreed(r.sign(x, D2 {}), &keys).unwrap(),
            content,
            d3: o.sign(x, D3 { k: k() }),
            d4: r.sign(x, D4 { hm }),
            abort: o.sign(x, AbortDelivery {}),
            resolve_r: r.sign(x, ResolveR {}),
            resolve_o: o.sign(x, ResolveO { k: k() }),
            posted,
        }
    }

    pub(crate) fn x(&self) -> Digest {
        self.posted.run.x
    }
}

/// The same statement with the other signature that anybody can make.
pub(crate) fn twin(jws: &Jws) -> Jws {
    let signature = jws.algorithm().twin(jws.signature()).expect("ECDSA");
    let bytes = [jws.signing_input(), b".", crate::b64u::encode(&signature).as_bytes()].concat();
    let twin = Jws::parse(&bytes).unwrap();
    assert_ne!(twin.digest(), jws.digest());
    twin
}
