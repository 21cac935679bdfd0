//! Beside another implementation of logs, the crates tlog_tiles and signed_note: it reads our ledger, and our witness
//! cosigns its log.

use std::net::SocketAddr;

use openssl::base64::encode_block;
use openssl::pkey::{Id, PKey};
use semper_ledger::note::{Note as OurNote, VerifierKey};
use semper_ledger::witness::AddCheckpoint;
use semper_tests::http::{entries, get};
use semper_tests::server::Server;
use semper_tests::stamp::stamp_many;
use semper_tests::witness::WitnessData;
use semper_ttp::crypto::LogVerifier;
use signed_note::{Note, StandardSigner, StandardVerifier, VerifierList};
use tlog_tiles::{
    Checkpoint, Error, Hash, HashReader, Tile, TileHashReader, TileReader, check_record, check_tree, prove_record,
    prove_tree, record_hash, stored_hashes, tree_hash,
};

/// Our server's tiles; their paths have the height in them, ours (c2sp.org/tlog-tiles) are of height 8 always.
struct Tiles(SocketAddr);

impl TileReader for Tiles {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        let path = |tile: &Tile| tile.path().replacen("tile/8/", "/ledger/tile/", 1);
        Ok(tiles.iter().map(|tile| get(self.0, &path(tile)).body).collect())
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

/// The checkpoint that is served, verified by the key in `trust/`.
fn checkpoint(server: &Server) -> Checkpoint {
    let vkey = std::fs::read_to_string(server.trust().join("ledger.vkey")).expect("the log's key");
    let known = VerifierList::new(vec![Box::new(StandardVerifier::new(vkey.trim()).expect("a key"))]);
    let note = Note::from_bytes(&get(server.http(), "/ledger/checkpoint").body).expect("a note");
    let (signed, unknown) = note.verify(&known).expect("signed by the log");
    assert_eq!((signed.len(), unknown.len()), (1, 0));
    Checkpoint::from_bytes(note.text()).expect("a checkpoint")
}

/// Every tile that is read is authenticated against the root; every entry is proven, and the tree before is a prefix.
#[test]
fn our_ledger_is_read_by_others() {
    let server = Server::demo();
    stamp_many(server.http(), 300);
    let before = checkpoint(&server);
    stamp_many(server.http(), 300);
    let now = checkpoint(&server);
    assert!(before.size() > 256 && now.size() > before.size() && now.extension().is_empty());
    let tiles = Tiles(server.http());
    let reader = TileHashReader::new(now.size(), *now.hash(), &tiles);
    assert_eq!(tree_hash(now.size(), &reader).expect("authenticated tiles"), *now.hash());
    let consistent = prove_tree(now.size(), before.size(), &reader).expect("a proof");
    check_tree(&consistent, now.size(), *now.hash(), before.size(), *before.hash()).expect("a prefix");
    let entries = entries(server.http());
    for (index, entry) in (0..).zip(&entries).step_by(17) {
        let leaf = record_hash(&entry.encode());
        let proof = prove_record(now.size(), index, &reader).expect("a proof");
        check_record(&proof, now.size(), *now.hash(), index, leaf).expect("the entry is in the tree");
        let path = format!("/ledger/proof/consistency?from={}&to={}", index + 1, now.size());
        assert_eq!(get(server.http(), &path).status, 200);
    }
    // It can say no: under a root with one bit changed, no tile is authentic.
    let mut wrong = *now.hash();
    wrong.0[0] ^= 1;
    let doubtful = TileHashReader::new(now.size(), wrong, &tiles);
    assert!(matches!(tree_hash(now.size(), &doubtful), Err(Error::InconsistentTile)));
}

/// A log of theirs: hashes in the order of their storage.
struct Theirs {
    hashes: Vec<Hash>,
    signer: StandardSigner,
    vkey: String,
}

impl HashReader for Theirs {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        Ok(indexes.iter().map(|index| self.hashes[*index as usize]).collect())
    }
}

impl Theirs {
    fn new(name: &str) -> Self {
        let seed = [5; 32];
        let key = PKey::private_key_from_raw_bytes(&seed, Id::ED25519).expect("a key");
        let public = [&[1][..], &key.raw_public_key().expect("its public half")].concat();
        let id = signed_note::key_id(name, &public);
        let vkey = format!("{name}+{id:08x}+{}", encode_block(&public));
        let secret = format!("PRIVATE+KEY+{name}+{id:08x}+{}", encode_block(&[&[1][..], &seed].concat()));
        Self { hashes: Vec::new(), signer: StandardSigner::new(&secret).expect("a signer"), vkey }
    }

    fn append(&mut self, number: u64) {
        let new = stored_hashes(number, format!("record {number}").as_bytes(), self).expect("hashes");
        self.hashes.extend(new);
    }

    fn request(&self, old: u64, size: u64) -> AddCheckpoint {
        let root = tree_hash(size, self).expect("a root");
        let text = Checkpoint::new(signed_note::Signer::name(&self.signer), size, root, "").expect("a checkpoint");
        let mut note = Note::new(&text.to_bytes(), &[]).expect("a note");
        note.add_sigs(&[&self.signer]).expect("a signature");
        let proof = if old == 0 || old == size { Vec::new() } else { prove_tree(size, old, self).expect("a proof") };
        let note = String::from_utf8(note.to_bytes()).expect("UTF-8");
        AddCheckpoint { old, proof: proof.iter().map(|hash| hash.0).collect(), note }
    }
}

#[test]
fn our_witness_cosigns_a_log_of_others() {
    let mut log = Theirs::new("theirs.example/log");
    let data = WitnessData::new(&[&VerifierKey::parse(&log.vkey).expect("a key")]);
    let witness = data.serve();
    let (mut old, mut next) = (0, 0);
    for size in [1, 2, 3, 7, 8, 64, 100, 255, 256, 257, 300] {
        while next < size {
            log.append(next);
            next += 1;
        }
        let request = log.request(old, size);
        let answer = witness.post(request.to_string().as_bytes());
        assert_eq!(answer.status, 200, "{old} to {size}: {answer:?}");
        // Ours beside theirs: a cosignature is no note signature, so signed_note passes it over as of an unknown key.
        let cosigned = request.note.clone() + &answer.text();
        let known = VerifierList::new(vec![Box::new(StandardVerifier::new(&log.vkey).expect("a key"))]);
        let (signed, unknown) =
            Note::from_bytes(cosigned.as_bytes()).expect("a note").verify(&known).expect("their signature");
        assert_eq!((signed.len(), unknown.len()), (1, 1));
        let ours = OurNote::parse(&cosigned).expect("a note");
        assert_eq!(ours.verify(&[data.vkey()], &LogVerifier).expect("our cosignature").len(), 1);
        old = size;
    }
}
