//! What is to be exchanged in a run.

use semper_ttp::statement::{
    Millis,
    exchange::{
        inline::DepositMode,
        item::{ItemDescriptor, RuleName},
    },
};

use crate::{
    draw::{Draw, random32},
    world::inline::{MEDIA, file, goods},
};

/// What is to be exchanged, as both sides see it before anything is signed.
pub(super) struct Bargain {
    pub(super) items: [Vec<u8>; 2],
    pub(super) described: [ItemDescriptor; 2],
    pub(super) mode: DepositMode,
    pub(super) t_dep: Millis,
    pub(super) t_exp: Millis,
}

impl Bargain {
    pub(super) fn drawn(draw: &mut Draw, now: u64) -> Self {
        let unique = hex::encode(random32());
        let items = [format!("The plans {unique}").into_bytes(), format!(r#"{{"licence":"{unique}"}}"#).into_bytes()];
        let mut described = [0, 1].map(|place: usize| file(&items[place], MEDIA[place]));
        match draw.below(4) {
            // What only people can judge.
            0 => described[0] = goods(),
            // What a rule of the policy tells.
            1 => {
                let predicate = RuleName::new("json-object/1");
                described[1] = ItemDescriptor { sha256: None, len: None, predicate, ..described[1].clone() };
            }
            _ => {}
        }
        let mode = draw.one_of(&[DepositMode::Content, DepositMode::Sealed]);
        let t_dep = now + draw.one_of(&[5_000, 60_000, 180_000, 600_000]);
        let t_exp = t_dep + draw.one_of(&[1, 60_000, 300_000]);
        let [t_dep, t_exp] = [t_dep, t_exp].map(|at| Millis::new(at).expect("a moment"));
        Self { items, described, mode, t_dep, t_exp }
    }
}
