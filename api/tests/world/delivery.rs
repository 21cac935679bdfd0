//! A certified delivery between two parties of a world.

use semper_ttp::{
    b64u::{self, B64u},
    crypto::{
        OsEntropy, SecretKey,
        jwe::{AgreementKey, AgreementPublic, seal},
    },
    digest::Digest,
    exchange::cd_r::{escrow_context, key_hash, message_hash, seal_content},
    statement::{
        Count, Jws,
        exchange::{
            Arbiter, Line, Side,
            asw_r::M1,
            cd_r::{
                AbortDelivery, ContentKey, D1, D2, EscrowArbiter, EscrowText, Mode, ResolveO, ResolveR, Reveal, Subject,
            },
        },
    },
};
use serde_json::{Value, json};

use super::{
    exchange::{ask_at, name_of, offer, sign, text},
    office::{Member, World, random},
};

pub(crate) const MESSAGE: &[u8] = b"The goods leave on Monday.";

/// A delivery as far as the arbiter hears of it, and what its sides have besides.
pub(crate) struct Delivery<'w> {
    pub(crate) o: &'w Member,
    pub(crate) r: &'w Member,
    pub(crate) d1: Jws,
    pub(crate) d2: Jws,
    pub(crate) content: Vec<u8>,
    pub(crate) key: SecretKey,
}

impl<'w> Delivery<'w> {
    pub(crate) fn new(world: &World, o: &'w Member, r: &'w Member, t_exp: Option<u64>) -> Self {
        Self::with(world, (o, r), t_exp, |_, key| key.clone(), |_| ())
    }

    /// One in whose escrow lies what `escrowed` says, with other terms.
    pub(crate) fn with(
        world: &World,
        (o, r): (&'w Member, &'w Member),
        t_exp: Option<u64>,
        escrowed: impl Fn(&D1, &SecretKey) -> SecretKey,
        change: impl Fn(&mut D1),
    ) -> Self {
        let key = SecretKey::generate(&OsEntropy).unwrap();
        let [n, salt]: [[u8; 32]; 2] = [(); 2].map(|()| [random(), random()].concat().try_into().unwrap());
        let content = seal_content(&key, &n, &salt, MESSAGE, &OsEntropy).unwrap();
        let M1 { policy, o: from, r: to, ttp, t_exp, assurance, .. } = offer(world, o, r, t_exp);
        let Arbiter { id, key: signs, url, log } = ttp;
        let escrow = AgreementPublic::from_spki_der(&world.disk.escrow_spki()).unwrap();
        let mut d1 = D1 {
            deal: None,
            policy,
            o: from,
            r: to,
            ttp: EscrowArbiter { id, key: signs, escrow_key: escrow.thumbprint(), url, log },
            n: B64u(n),
            c_sha256: Digest::of(&content).into(),
            c_len: Count::new(content.len() as u64).unwrap(),
            hm: message_hash(&salt, MESSAGE).into(),
            hk: key_hash(&key).into(),
            esc: EscrowText::new("none").unwrap(),
            subject: Subject { class: Line::new("letter").unwrap(), sha256: None },
            mode: Mode::Basic,
            reveal: Reveal::Named,
            t_exp,
            pay: None,
            assurance,
        };
        let context = escrow_context(&d1).0;
        let ephemeral = AgreementKey::generate().unwrap();
        let inside = escrowed(&d1, &key);
        let sealed = seal(&inside, &escrow, &name_of(&o.sign).0.0, &context, &ephemeral, &OsEntropy).unwrap();
        d1.esc = EscrowText::new(&sealed).unwrap();
        change(&mut d1);
        let d1 = sign(&o.sign, None, d1);
        let d2 = sign(&r.sign, Some(d1.x()), D2 {});
        Self { o, r, d1, d2, content, key }
    }

    pub(crate) fn x(&self) -> Digest {
        self.d1.x()
    }

    pub(crate) fn path(&self, what: &str) -> String {
        format!("/v1/exchanges/{}{what}", b64u::encode(self.x().as_bytes()))
    }

    pub(crate) fn abort(&self) -> Value {
        let request = sign(&self.o.sign, Some(self.x()), AbortDelivery {});
        json!({ "d1": text(&self.d1), "request": text(&request) })
    }

    /// The recipient wants the key, or the originator leaves it.
    pub(crate) fn resolve(&self, side: Side) -> Value {
        let x = Some(self.x());
        let request = match side {
            Side::Responder => sign(&self.r.sign, x, ResolveR {}),
            Side::Originator => sign(&self.o.sign, x, ResolveO { k: ContentKey::from(&self.key) }),
        };
        json!({ "d1": text(&self.d1), "d2": text(&self.d2), "request": text(&request) })
    }

    pub(crate) async fn ask(&self, world: &World, body: &Value) -> (u16, Value) {
        ask_at(world, &self.path("/requests"), body).await
    }
}
