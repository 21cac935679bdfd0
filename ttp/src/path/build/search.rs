//! Building paths (RFC 4158): from the target up to the anchors, best first, and bounded whatever the material is.
//!
//! 1. **Climb**: the certificates that names alone connect with the target, at most `limits.candidates`.
//! 2. **Descend** from the anchors: which of those an anchor's signatures really reach, and how far down. Each pair of issuer and
//!    subject is verified once. A mesh of cross-certificates that no anchor signed is never entered, whatever its size.
//! 3. **Collect** paths along verified pairs, nearest to an anchor first. Every certificate entered leads to an anchor, so nothing
//!    but loops can be a dead end.
//! 4. If there is none, collect along names alone, for [`crate::path::validate`] to say what is wrong.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::{Anchor, Path, key_below};
use crate::crypto::StrangerKey;
use crate::digest::Digest;
use crate::path::certificate::Certificate;
use crate::path::checks::{Checked, Checks};
use crate::path::material::Material;
use crate::path::name::GeneralName;
use crate::path::revocation::{Missing, MissingWhat};
use crate::path::settings::Limits;
use crate::time::Timestamp;
use crate::x509::KeyUsage;

/// Issuers that are tried for one certificate: a CA has a handful of certificates, cross-certified ones included.
const ISSUERS_MAX: usize = 64;
/// Certificates that are stood on while paths are collected.
const STEPS_MAX: usize = 20_000;

/// Finds paths from `target` to any of `anchors`, best first. Paths whose signatures verify come before others; without any
/// of those, what names alone suggest is given back, so that [`crate::path::validate`] can say what is wrong with it. At most half
/// of the checks that are left are used: validation needs some, too.
#[must_use]
pub fn build(
    target: &Arc<Certificate>,
    material: &Material,
    anchors: &[Arc<Anchor>],
    limits: &Limits,
    checks: &mut Checks,
) -> Vec<Path> {
    let mut paths = Vec::new();
    let own = |anchor: &&Arc<Anchor>| anchor.certificate.as_ref().is_some_and(|certificate| certificate == target);
    if let Some(anchor) = anchors.iter().find(own) {
        paths.push(Path { anchor: anchor.clone(), certificates: vec![target.clone()] });
    }
    let mut search = Search::climb(target, material, anchors, limits);
    search.descend(checks);
    search.collect(true, &mut paths);
    if paths.is_empty() {
        search.measure_by_names();
        search.collect(false, &mut paths);
    }
    paths
}

/// What is missing where [`build`] finds nothing: for each certificate above `target` that is no anchor and whose issuer has none
/// at hand, that one. `needed_for` is the moment at which the path must be valid.
#[must_use]
pub fn missing_issuers(
    target: &Arc<Certificate>,
    material: &Material,
    anchors: &[Arc<Anchor>],
    limits: &Limits,
    needed_for: Timestamp,
) -> Vec<Missing> {
    let search = Search::climb(target, material, anchors, limits);
    // One that names itself as its issuer has no way up: it is an anchor or it is not.
    let ends = search.nodes.iter().filter(|node| node.issuers.is_empty() && !node.certificate.is_self_issued());
    let missing = |node: &Node| Missing {
        what: MissingWhat::Issuer,
        certificate: node.certificate.digest(),
        subject: node.certificate.subject().to_string(),
        needed_for,
        places: node.certificate.issuer_places().to_vec(),
    };
    ends.map(missing).collect()
}

/// A certificate that may lie on a path.
struct Node {
    certificate: Arc<Certificate>,
    /// Who may have issued it, best first.
    issuers: Vec<Edge>,
    /// Certificates up to an anchor, itself included; `None` if none is reached.
    distance: Option<usize>,
    /// Its key, inherited parameters included; `None` until an anchor reaches it.
    key: Option<Arc<StrangerKey>>,
}

#[derive(Clone, Copy)]
struct Edge {
    issuer: Issuer,
    /// Whether the issuer's key signed it.
    verified: bool,
}

/// What is collected: along verified pairs only or not, and how many certificates.
#[derive(Clone, Copy)]
struct Way {
    verified: bool,
    len: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Issuer {
    Anchor(usize),
    Node(usize),
}

struct Search<'a> {
    anchors: &'a [Arc<Anchor>],
    limits: &'a Limits,
    nodes: Vec<Node>,
}

impl<'a> Search<'a> {
    fn climb(target: &Arc<Certificate>, material: &Material, anchors: &'a [Arc<Anchor>], limits: &'a Limits) -> Self {
        let mut search = Self { anchors, limits, nodes: Vec::new() };
        let mut index: HashMap<Digest, usize> = HashMap::new();
        index.insert(target.digest(), search.put(target));
        let mut next = 0;
        while next < search.nodes.len() {
            let certificate = search.nodes[next].certificate.clone();
            let of_name = anchors.iter().enumerate().filter(|(_, anchor)| anchor.name == *certificate.issuer());
            let mut issuers: Vec<_> =
                of_name.map(|(i, anchor)| (anchor_rank(&certificate, anchor), Issuer::Anchor(i))).collect();
            let mut of_subject: Vec<_> = material
                .of_subject(certificate.issuer())
                .filter(|issuer| **issuer != certificate && !search.is_anchor(issuer))
                .map(|issuer| (rank(&certificate, issuer), issuer))
                .collect();
            // The likely ones first, so that any number of others cannot crowd them out.
            of_subject.sort_by_key(|(rank, _)| *rank);
            for (rank, issuer) in of_subject.into_iter().take(ISSUERS_MAX) {
                let known = index.get(&issuer.digest()).copied();
                if known.is_none() && search.nodes.len() >= limits.candidates {
                    continue;
                }
                let at = known.unwrap_or_else(|| search.put(issuer));
                index.insert(issuer.digest(), at);
                issuers.push((rank, Issuer::Node(at)));
            }
            issuers.sort_by_key(|(rank, _)| *rank);
            let edge = |(_, issuer)| Edge { issuer, verified: false };
            search.nodes[next].issuers = issuers.into_iter().map(edge).collect();
            next += 1;
        }
        search
    }

    /// An anchor's own certificate, or another one of the same name and key, makes a path longer and no better.
    fn is_anchor(&self, certificate: &Certificate) -> bool {
        self.anchors.iter().any(|anchor| anchor.name == *certificate.subject() && anchor.spki == certificate.spki())
    }

    fn put(&mut self, certificate: &Arc<Certificate>) -> usize {
        let node = Node { certificate: certificate.clone(), issuers: Vec::new(), distance: None, key: None };
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// Breadth first from the anchors, so that distances are the shortest.
    fn descend(&mut self, checks: &mut Checks) {
        let ceiling = checks.made() + (checks.max() - checks.made().min(checks.max())) / 2;
        let mut below: HashMap<usize, Vec<(usize, usize)>> = HashMap::new();
        let mut queue = VecDeque::new();
        for node in 0..self.nodes.len() {
            for edge in 0..self.nodes[node].issuers.len() {
                match self.nodes[node].issuers[edge].issuer {
                    Issuer::Anchor(_) => self.verify(node, edge, checks, ceiling, &mut queue),
                    Issuer::Node(issuer) => below.entry(issuer).or_default().push((node, edge)),
                }
            }
        }
        while let Some(issuer) = queue.pop_front() {
            for (node, edge) in below.remove(&issuer).unwrap_or_default() {
                self.verify(node, edge, checks, ceiling, &mut queue);
            }
        }
    }

    /// Verifies one pair; a certificate that is reached for the first time goes on in the queue.
    fn verify(&mut self, at: usize, edge: usize, checks: &mut Checks, ceiling: usize, queue: &mut VecDeque<usize>) {
        let (key, distance) = match self.nodes[at].issuers[edge].issuer {
            Issuer::Anchor(anchor) => (Some(self.anchors[anchor].key.clone()), 0),
            Issuer::Node(issuer) => (self.nodes[issuer].key.clone(), self.nodes[issuer].distance.unwrap_or_default()),
        };
        let certificate = &self.nodes[at].certificate;
        let (Some(key), Some(scheme)) = (key, certificate.signed().scheme()) else { return };
        if checks.made() >= ceiling || distance >= self.limits.certificates {
            return;
        }
        if checks.check(&key, scheme, certificate.signed()) != Checked::Good {
            return;
        }
        let own = key_below(certificate, Some(&key)).ok();
        let node = &mut self.nodes[at];
        node.issuers[edge].verified = true;
        if node.distance.is_none() {
            node.distance = Some(distance + 1);
            node.key = own;
            queue.push_back(at);
        }
    }

    /// Distances by names alone.
    fn measure_by_names(&mut self) {
        let mut below: HashMap<usize, Vec<usize>> = HashMap::new();
        let mut queue = VecDeque::new();
        for (at, node) in self.nodes.iter_mut().enumerate() {
            node.distance = None;
            for edge in &node.issuers {
                match edge.issuer {
                    Issuer::Node(issuer) => below.entry(issuer).or_default().push(at),
                    Issuer::Anchor(_) if node.distance.is_none() => {
                        node.distance = Some(1);
                        queue.push_back(at);
                    }
                    Issuer::Anchor(_) => {}
                }
            }
        }
        while let Some(issuer) = queue.pop_front() {
            let distance = self.nodes[issuer].distance.map(|distance| distance + 1);
            for at in below.remove(&issuer).unwrap_or_default() {
                if self.nodes[at].distance.is_none() {
                    self.nodes[at].distance = distance;
                    queue.push_back(at);
                }
            }
        }
    }

    /// Depth first from the target, for one length after the other: a way that has used up the only certificate by which an anchor
    /// is reached would else be followed to every dead end behind it.
    fn collect(&self, verified: bool, paths: &mut Vec<Path>) {
        let (mut found, mut steps) = (Vec::new(), 0);
        for len in 1..=self.limits.certificates {
            self.collect_from(0, Way { verified, len }, &mut Vec::new(), &mut steps, &mut found);
        }
        // That one stands in front already.
        found.retain(|path: &Path| !path.is_direct());
        paths.append(&mut found);
        paths.truncate(self.limits.paths);
    }

    fn collect_from(&self, at: usize, way: Way, trail: &mut Vec<usize>, steps: &mut usize, found: &mut Vec<Path>) {
        *steps += 1;
        let certificate = &self.nodes[at].certificate;
        // RFC 4158 §5.2: the same subject with the same key twice is a loop.
        let again = |earlier: &usize| {
            let earlier = &self.nodes[*earlier].certificate;
            earlier.subject() == certificate.subject() && earlier.spki() == certificate.spki()
        };
        if trail.iter().any(again) {
            return;
        }
        trail.push(at);
        let mut edges: Vec<_> = self.nodes[at].issuers.iter().filter(|edge| edge.verified || !way.verified).collect();
        // Stable: among equally near ones the better one stays first.
        edges.sort_by_key(|edge| self.distance_of(edge.issuer).unwrap_or(usize::MAX));
        for edge in edges {
            let full = *steps >= STEPS_MAX || found.len() >= self.limits.paths;
            let too_far = self.distance_of(edge.issuer).is_none_or(|far| trail.len() + far > way.len);
            if full || too_far {
                break;
            }
            match edge.issuer {
                // A shorter one was found before.
                Issuer::Anchor(_) if trail.len() < way.len => {}
                Issuer::Anchor(anchor) => {
                    let certificates = trail.iter().rev().map(|node| self.nodes[*node].certificate.clone()).collect();
                    found.push(Path { anchor: self.anchors[anchor].clone(), certificates });
                }
                Issuer::Node(issuer) => self.collect_from(issuer, way, trail, steps, found),
            }
        }
        trail.pop();
    }

    /// `None` for one that no anchor reaches.
    fn distance_of(&self, issuer: Issuer) -> Option<usize> {
        match issuer {
            Issuer::Anchor(_) => Some(0),
            Issuer::Node(node) => self.nodes[node].distance,
        }
    }
}

/// How unlikely `issuer` is to have issued `certificate`: 0 for one of whom everything fits.
fn rank(certificate: &Certificate, issuer: &Certificate) -> u32 {
    let authority = certificate.authority_key();
    let key_id = match (&authority.key_id, issuer.subject_key()) {
        (Some(wanted), Some(found)) if wanted == found => 0,
        (Some(_), Some(_)) => 8,
        _ => 2,
    };
    let above = GeneralName::Directory(issuer.issuer().clone());
    let serial = match &authority.serial {
        Some(serial) if serial != issuer.serial() || !authority.issuer.contains(&above) => 4,
        _ => 0,
    };
    let may = if issuer.is_ca() && issuer.may(KeyUsage::KEY_CERT_SIGN) { 0 } else { 4 };
    key_id + serial + may + u32::from(issuer.is_self_issued())
}

/// As [`rank`], of an anchor, which is preferred to a certificate that fits as well.
fn anchor_rank(certificate: &Certificate, anchor: &Anchor) -> u32 {
    let wanted = certificate.authority_key().key_id.as_deref();
    match (wanted, anchor.certificate.as_ref().and_then(|own| own.subject_key())) {
        (Some(wanted), Some(found)) if wanted != found => 8,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{Signer as _, SoftKey};
    use crate::path::MaterialFull;
    use crate::path::extensions::id;
    use crate::path::testing::{Draft, KEYS, anchor, ca, checks, extension, material, name};

    fn keys() -> [&'static SoftKey; 5] {
        KEYS.each_ref()
    }

    fn find(target: &Arc<Certificate>, material: &Material, anchors: &[Arc<Anchor>]) -> (Vec<Vec<String>>, usize) {
        let mut checks = checks();
        let paths = build(target, material, anchors, &Limits::default(), &mut checks);
        let names = |path: &Path| path.certificates().iter().map(|one| one.subject().to_string()).collect();
        (paths.iter().map(names).collect(), checks.made())
    }

    #[test]
    fn a_ca_with_several_keys_and_several_issuers() {
        let [root, ca_key, end, other, second] = keys();
        let right = Draft::new("CA", ca_key, "Root", root).with(ca(None)).make();
        let renewed = Draft::new("CA", other, "Root", root).with(ca(None)).make();
        let crossed = Draft::new("CA", ca_key, "Second", second).with(ca(None)).make();
        let own = Draft::new("Root", root, "Root", root).with(ca(None)).make();
        let target = Draft::new("Ada", end, "CA", ca_key).make();
        let all = material(&[renewed, crossed.clone(), own, right.clone(), target.clone()]);
        let both = [anchor(), Arc::new(Anchor::from_key(name("Second"), second.spki_der()).unwrap())];
        let (paths, _) = find(&target, &all, &both);
        assert_eq!(paths, [["CN=CA", "CN=Ada"], ["CN=CA", "CN=Ada"]]);
        assert_eq!(find(&target, &all, &both[..1]).0.len(), 1);
        // Longer ways stand behind shorter ones.
        let above = Draft::new("Second", second, "Root", root).with(ca(None)).make();
        let all = material(&[crossed, above, right]);
        let (paths, _) = find(&target, &all, &both[..1]);
        assert_eq!(paths, [vec!["CN=CA", "CN=Ada"], vec!["CN=Second", "CN=CA", "CN=Ada"]]);
    }

    #[test]
    fn without_good_signatures_names_lead_on() {
        let [root, ca_key, end, other, _] = keys();
        let above = Draft::new("CA", ca_key, "Root", root).with(ca(None)).make();
        let target = Draft::new("Ada", end, "CA", other).make();
        assert_eq!(find(&target, &material(&[above]), &[anchor()]).0, [["CN=CA", "CN=Ada"]]);
        assert_eq!(find(&target, &Material::new(), &[anchor()]).0, Vec::<Vec<String>>::new());
        let missing =
            missing_issuers(&target, &Material::new(), &[anchor()], &Limits::default(), Timestamp::from_secs(9));
        assert_eq!((missing.len(), missing[0].certificate), (1, target.digest()));
        assert_eq!(missing[0].to_string(), "a certificate of who issued that of CN=Ada");
    }

    #[test]
    fn loops_end() {
        let [root, a, b, end, _] = keys();
        let ring = [("A", a, "B", b), ("B", b, "A", a), ("A", b, "B", a), ("B", a, "A", b)];
        let mut all: Vec<_> =
            ring.map(|(subject, key, issuer, by)| Draft::new(subject, key, issuer, by).with(ca(None)).make()).into();
        let target = Draft::new("Ada", end, "A", a).make();
        assert_eq!(find(&target, &material(&all), &[anchor()]).0.len(), 0);
        all.push(Draft::new("B", b, "Root", root).with(ca(None)).make());
        let (paths, made) = find(&target, &material(&all), &[anchor()]);
        assert_eq!(paths[0], ["CN=B", "CN=A", "CN=Ada"]);
        assert!(paths.len() <= 4 && made <= 12, "{} paths, {made} checks", paths.len());
    }

    const MESH: [&str; 16] = ["A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M", "N", "O", "P"];

    /// Everybody certifies everybody: the number of ways is beyond counting.
    fn mesh(key: &SoftKey) -> Vec<Arc<Certificate>> {
        let pairs = MESH.iter().flat_map(|subject| MESH.iter().map(move |issuer| (*subject, *issuer)));
        let apart = pairs.filter(|(subject, issuer)| subject != issuer);
        apart.map(|(subject, issuer)| Draft::new(subject, key, issuer, key).with(ca(None)).make()).collect()
    }

    #[test]
    fn a_mesh_without_an_anchor_is_not_entered() {
        let [root, mesh_key, end, ..] = keys();
        let mut all = mesh(mesh_key);
        let target = Draft::new("Ada", end, "A", mesh_key).make();
        assert_eq!(find(&target, &material(&all), &[anchor()]), (Vec::new(), 0));
        all.push(Draft::new("P", mesh_key, "Root", root).with(ca(None)).make());
        let (paths, made) = find(&target, &material(&all), &[anchor()]);
        assert_eq!((paths[0].len(), paths.len()), (3, Limits::default().paths));
        assert!(made <= 256, "{made} checks");
    }

    #[test]
    fn thousands_of_namesakes() {
        let [root, ca_key, end, other, _] = keys();
        let key_id = |id: &[u8]| extension(id::SUBJECT_KEY, false, &crate::asn1::der::tlv(4, id));
        let wanted =
            extension(id::AUTHORITY_KEY, false, &crate::asn1::der::sequence(&[&crate::asn1::der::tlv(0x80, b"right")]));
        let target = Draft::new("Ada", end, "CA", ca_key).with(wanted).make();
        let mut forged = Draft::new("CA", other, "Root", other).with(ca(None)).with(key_id(b"wrong"));
        forged.serial = vec![0x55; 8];
        let template = forged.der();
        let at = template.windows(8).position(|eight| eight == [0x55; 8]).unwrap();
        let mut all = Material::new();
        let mut refused = 0;
        for n in 0..10_000_u64 {
            let mut der = template.clone();
            der[at..at + 8].copy_from_slice(&(n | 1 << 40).to_be_bytes());
            let forged = Arc::new(Certificate::from_der(&der).unwrap());
            match all.add_certificate(&forged) {
                Ok(()) => {}
                Err(full) => {
                    assert_eq!(full, MaterialFull { what: "certificates", max: 4_096 });
                    refused += 1;
                }
            }
            if n == 2_000 {
                let right = Draft::new("CA", ca_key, "Root", root).with(ca(None)).with(key_id(b"right"));
                all.add_certificate(&right.make()).unwrap();
            }
        }
        assert_eq!(refused, 10_001 - 4_096);
        let (paths, made) = find(&target, &all, &[anchor()]);
        assert_eq!((paths, made <= 256), (vec![vec!["CN=CA".to_owned(), "CN=Ada".to_owned()]], true));
    }
}
