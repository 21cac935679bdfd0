//! PDFs made octet by octet: what was published against signed ones, and what costs a reader that is not careful.

use std::fmt::Write as _;

use super::file::PDF_BYTES_MAX;
use super::*;

/// What /Contents holds; nobody looks into it here.
const CONTENTS: &str = "<300300000000000000>";

/// A document before it is written.
#[derive(Clone)]
struct Draft(Vec<(u32, String)>);

impl Draft {
    /// Page, text field, and a signature by whom nobody asks.
    fn new() -> Self {
        let signature = format!(
            "<< /Type /Sig /Filter /Adobe.PPKLite /SubFilter /ETSI.CAdES.detached /M (D:20250301120000+01'00') \
             /ByteRange [0 0000000000 0000000000 0000000000] /Contents {CONTENTS} >>"
        );
        Self(vec![
            (1, "<< /Type /Catalog /Pages 2 0 R /AcroForm 4 0 R >>".to_owned()),
            (2, "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned()),
            (3, "<< /Type /Page /Parent 2 0 R /Annots [5 0 R 8 0 R] /Contents 7 0 R >>".to_owned()),
            (4, "<< /Fields [5 0 R 8 0 R] /SigFlags 3 >>".to_owned()),
            (5, "<< /FT /Sig /T (Sig1) /V 6 0 R /Type /Annot /Subtype /Widget /P 3 0 R >>".to_owned()),
            (6, signature),
            (7, "<< /Length 3 >> stream\nq Q\nendstream".to_owned()),
            (8, "<< /FT /Tx /T (Price) /Type /Annot /Subtype /Widget /P 3 0 R /AP << /N 9 0 R >> >>".to_owned()),
            (9, "<< /Length 2 >> stream\nET\nendstream".to_owned()),
            (10, "(a note that nothing shows)".to_owned()),
        ])
    }

    fn with(mut self, id: u32, text: &str) -> Self {
        self.0.retain(|(known, _)| *known != id);
        self.0.push((id, text.to_owned()));
        self
    }

    /// Written, with the numbers of /ByteRange filled in.
    fn signed(&self) -> Vec<u8> {
        let bytes = revision(b"%PDF-1.7\n", &self.0, None);
        let gap = find(&bytes, CONTENTS);
        byte_range(&bytes, [0, gap, gap + CONTENTS.len(), bytes.len() - gap - CONTENTS.len()])
    }
}

fn find(bytes: &[u8], text: &str) -> usize {
    bytes.windows(text.len()).position(|window| window == text.as_bytes()).unwrap()
}

fn byte_range(bytes: &[u8], [a, b, c, d]: [usize; 4]) -> Vec<u8> {
    let at = find(bytes, "/ByteRange [");
    let text = format!("/ByteRange [{a} {b:010} {c:010} {d:010}]");
    [&bytes[..at], text.as_bytes(), &bytes[at + text.len()..]].concat()
}

/// `bytes` with a revision of these objects behind.
fn revision(bytes: &[u8], objects: &[(u32, String)], previous: Option<usize>) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let mut table = "xref\n0 1\n0000000000 65535 f \n".to_owned();
    for (id, text) in objects {
        let _ = write!(table, "{id} 1\n{:010} 00000 n \n", out.len());
        out.extend_from_slice(format!("{id} 0 obj\n{text}\nendobj\n").as_bytes());
    }
    let previous = previous.map(|at| format!(" /Prev {at}")).unwrap_or_default();
    let at = out.len();
    let _ = write!(table, "trailer\n<< /Size 100 /Root 1 0 R{previous} >>\nstartxref\n{at}\n%%EOF\n");
    out.extend_from_slice(table.as_bytes());
    out
}

/// A revision behind a whole document.
fn update(bytes: &[u8], objects: &[(u32, &str)]) -> Vec<u8> {
    let objects: Vec<_> = objects.iter().map(|(id, text)| (*id, (*text).to_owned())).collect();
    revision(bytes, &objects, Some(file::startxref(bytes).unwrap()))
}

/// What is found: a fault of the document or its signature, or changes as `told | refused`.
fn outcome(bytes: &[u8]) -> String {
    let file = match File::parse(bytes) {
        Ok(file) => file,
        Err(fault) => return fault,
    };
    let fields = match file.fields() {
        Ok(fields) => fields,
        Err(fault) => return fault,
    };
    let Some(field) = fields.first() else { return "no signature".to_owned() };
    match &field.signature {
        Err(fault) => fault.clone(),
        Ok(signature) => {
            let changes = Changes::after(&file, signature);
            let join = |set: std::collections::BTreeSet<String>| set.into_iter().collect::<Vec<_>>().join("; ");
            format!("{} | {}", join(changes.told), join(changes.refused))
        }
    }
}

fn check(bytes: &[u8], expected: &str) {
    let found = outcome(bytes);
    assert!(found.contains(expected), "found {found:?}, expected {expected:?}");
}

#[test]
fn a_good_one() {
    let bytes = Draft::new().signed();
    check(&bytes, " | ");
    let file = File::parse(&bytes).unwrap();
    let fields = file.fields().unwrap();
    let signature = fields[0].signature.as_ref().unwrap();
    assert!(fields[0].name == "Sig1" && signature.covers_all(&file) && file.revisions() == 1);
    assert_eq!(signature.claimed_time, Timestamp::from_rfc3339("2025-03-01T11:00:00Z"));
    let covered: usize = signature.covered(&file).iter().map(|part| part.len()).sum();
    assert_eq!(covered, bytes.len() - CONTENTS.len());
}

/// Mladenov, Mainka, Meyer zu Selhausen, Grothe, Schwenk: "1 Trillion Dollar Refund", CCS 2019, §5.1.
#[test]
fn universal_signature_forgery() {
    let with = |from: &str, to: &str| {
        let mut draft = Draft::new();
        for (_, text) in &mut draft.0 {
            *text = text.replace(from, to);
        }
        revision(b"%PDF-1.7\n", &draft.0, None)
    };
    let range = "/ByteRange [0 0000000000 0000000000 0000000000]";
    check(&with(range, ""), "it has no ByteRange");
    check(&with(range, "/ByteRange null"), "it has no ByteRange");
    check(&with(range, "/ByteRange []"), "not four numbers");
    check(&with(range, "/ByteRange [0 1 2 -9]"), "not four numbers");
    check(&with(range, "/ByteRange [0 1 2 3.5]"), "not four numbers");
    check(&with(range, "/ByteRange [0 1 2 3 4 5]"), "not four numbers");
    check(&with(range, "/ByteRange 99 0 R"), "it has no ByteRange");
    check(&with(range, "/ByteRange [0 1 2 99999999999999]"), "reaches beyond the file");
    check(&with(range, "/ByteRange [5 1 7 1]"), "does not begin at 0");
    check(&with(range, "/ByteRange [0 0 0 5]"), "does not begin at 0");
    let no_contents = Draft::new().signed();
    let at = find(&no_contents, "/Contents <");
    let renamed = [&no_contents[..at], b"/Kontents", &no_contents[at + 9..]].concat();
    check(&renamed, "not exactly its Contents");
    check(&with("/V 6 0 R", "/V 98 0 R"), "the signature is not in the file");
    check(&with("/V 6 0 R", "/V null"), "no signature");
    check(&with("/V 6 0 R", "/V << >>"), "no object of its own");
    check(&with("/V 6 0 R", "/V 10 0 R"), "no dictionary");
}

#[test]
fn kinds_of_signatures() {
    let with = |name: &str| {
        let mut draft = Draft::new();
        for (_, text) in &mut draft.0 {
            *text = text.replace("/ETSI.CAdES.detached", name);
        }
        draft.signed()
    };
    check(&with("/adbe.pkcs7.detached"), " | ");
    check(&with("/ETSI.RFC3161"), " | ");
    check(&with("/adbe.pkcs7.sha1"), "adbe.pkcs7.sha1 signs a SHA-1 digest");
    check(&with("/adbe.x509.rsa_sha1"), "adbe.x509.rsa_sha1 is a bare SHA-1");
    check(&with("/Else"), "the SubFilter Else is not known");
}

/// The same, §5.3: what was signed is moved, and something else put where it was.
#[test]
fn signature_wrapping() {
    let good = Draft::new().signed();
    let gap = find(&good, CONTENTS);
    let (end, len) = (gap + CONTENTS.len(), good.len());
    // The gap is larger than /Contents, smaller, elsewhere; the range ends before the revision does.
    check(&byte_range(&good, [0, gap - 1, end, len - end]), "not exactly its Contents");
    check(&byte_range(&good, [0, gap, end + 1, len - end - 1]), "not exactly its Contents");
    check(&byte_range(&good, [0, gap + 1, end - 1, len - end + 1]), "not exactly its Contents");
    check(&byte_range(&good, [0, 20, 40, len - 40]), "not exactly its Contents");
    check(&byte_range(&good, [0, gap, end, len - end - 9]), "does not end with a revision");
    // A second copy of the signature's dictionary takes its place by an update.
    let copy = Draft::new().0.into_iter().find(|(id, _)| *id == 6).unwrap().1;
    let moved = update(&good, &[(6, &copy)]);
    check(&moved, "does not begin at 0 and leave one gap");
    let copied = copy.replace("[0 0000000000 0000000000 0000000000]", &format!("[0 {gap} {end} {}]", len - end));
    check(&update(&good, &[(6, &copied)]), "not exactly its Contents");
    // Space and signs within the string, which others may read in their own ways.
    let spaced = [&good[..gap + 3], b" ", &good[gap + 4..]].concat();
    check(&spaced, "not hexadecimal digits alone");
    let doubled = Draft::new()
        .0
        .into_iter()
        .find(|(id, _)| *id == 6)
        .unwrap()
        .1
        .replace("/Type /Sig", "/Contents () /Contents ()");
    check(&Draft::new().with(6, &doubled).signed(), "has Contents twice");
}

/// The same, §5.2: something behind what was signed that one reader sees and another does not.
#[test]
fn incremental_saving() {
    let good = Draft::new().signed();
    let page = "7 0 obj\n<< /Length 1 >> stream\nX\nendstream\nendobj\n";
    // Objects alone; objects and a trailer alone; an old section called the newest.
    check(&[&good[..], page.as_bytes()].concat(), "does not end with startxref");
    let trailer = "trailer\n<< /Root 1 0 R >>\n";
    check(&[&good[..], page.as_bytes(), trailer.as_bytes()].concat(), "does not end with startxref");
    let old = format!("startxref\n{}\n%%EOF\n", file::startxref(&good).unwrap());
    check(&[&good[..], page.as_bytes(), old.as_bytes()].concat(), "belong to no object that a later revision lists");
    // A proper revision, and an object before it that it does not list.
    let hidden = [&good[..], page.as_bytes()].concat();
    let at = file::startxref(&good).unwrap();
    let objects = [(10, "(changed)".to_owned())];
    check(&revision(&hidden, &objects, Some(at)), "belong to no object that a later revision lists");
    // One that calls octets which were signed another object.
    let mut table = revision(&good, &[], Some(at));
    let entry = format!("0 1\n0000000000 65535 f \n7 1\n{:010} 00000 n \n", find(&good, "9 0 obj"));
    let old_entry = b"0 1\n0000000000 65535 f \n";
    let cut = table.windows(old_entry.len()).rposition(|window| window == old_entry).unwrap();
    table.splice(cut..cut + old_entry.len(), entry.into_bytes());
    check(&table, "calls octets that it covers object 7");
    // Space behind the end is nothing.
    check(&[&good[..], b"\n\n"].concat(), " | ");
}

/// Mainka, Mladenov, Rohlmann: "Shadow Attacks", NDSS 2021: what was hidden is shown, or what was shown is replaced.
#[test]
fn shadow_documents() {
    let good = Draft::new().signed();
    let refused = |objects: &[(u32, &str)], expected: &str| check(&update(&good, objects), expected);
    refused(
        &[(7, "<< /Length 1 >> stream\nX\nendstream")],
        "| object 7, which belongs to the document's content, was changed",
    );
    refused(
        &[(1, "<< /Type /Catalog /Pages 11 0 R /AcroForm 4 0 R >>"), (11, "<< /Type /Pages /Kids [] /Count 0 >>")],
        "| the catalog's Pages was changed",
    );
    refused(
        &[(2, "<< /Type /Pages /Kids [] /Count 0 >>")],
        "| object 2, which belongs to the document's content, was changed",
    );
    refused(
        &[
            (3, "<< /Type /Page /Parent 2 0 R /Annots [5 0 R 8 0 R] /Contents 12 0 R >>"),
            (12, "<< /Length 1 >> stream\nX\nendstream"),
        ],
        "| page object 3 was changed (Contents)",
    );
    refused(
        &[(3, "<< /Type /Page /Parent 2 0 R /Annots [5 0 R] /Contents 7 0 R >>")],
        "| an annotation was taken away",
    );
    refused(
        &[
            (3, "<< /Type /Page /Parent 2 0 R /Annots [5 0 R 8 0 R 12 0 R] /Contents 7 0 R >>"),
            (12, "<< /Subtype /FreeText >>"),
        ],
        "| an annotation was added",
    );
    refused(&[(4, "<< /Fields [8 0 R] /SigFlags 3 >>")], "no signature");
    refused(
        &[(5, "<< /FT /Sig /T (Sig1) /V 6 0 R /Type /Annot /Subtype /Widget /P 3 0 R /AP << /N 7 0 R >> >>")],
        "| the signed field Sig1 was changed (AP)",
    );
    refused(
        &[(8, "<< /FT /Tx /T (Prize) /Type /Annot /Subtype /Widget /P 3 0 R /AP << /N 9 0 R >> >>")],
        "| the form field Price was changed (T)",
    );
    refused(
        &[(1, "<< /Type /Catalog /Pages 2 0 R /AcroForm 4 0 R /OpenAction 12 0 R >>"), (12, "<< /S /JavaScript >>")],
        "| the catalog's OpenAction was changed",
    );
    // What was called and not there gets content.
    let dangling = Draft::new().with(7, "<< /Length 3 /Metadata 50 0 R >> stream\nq Q\nendstream").signed();
    check(&update(&dangling, &[(50, "(content)")]), "| object 50, which was empty, was given content");
}

#[test]
fn what_may_be_done_afterwards() {
    let filled = "<< /FT /Tx /T (Price) /V (12.50) /Type /Annot /Subtype /Widget /P 3 0 R /AP << /N 12 0 R >> >>";
    let appearance = (12, "<< /Length 1 >> stream\nX\nendstream");
    let good = Draft::new().signed();
    check(&update(&good, &[(8, filled), appearance]), "the form field Price was filled in | ");
    check(
        &update(&good, &[(9, "<< /Length 1 >> stream\nX\nendstream")]),
        "the appearance of form fields was changed | ",
    );
    check(&update(&good, &[(10, "(nothing shows it)")]), " | ");
    let dss = [(1, "<< /Type /Catalog /Pages 2 0 R /AcroForm 4 0 R /DSS 13 0 R >>"), (13, "<< /Type /DSS >>")];
    check(&update(&good, &dss), "validation data was added | ");
    let info = Draft::new().signed();
    check(&update(&info, &[(1, "<< /Type /Catalog /Pages 2 0 R /AcroForm 4 0 R /Version /2.0 >>")]), " | ");
    let second = "<< /FT /Sig /T (Sig2) /V 15 0 R /Type /Annot /Subtype /Widget /P 3 0 R >>";
    let signed = |kind: &str| {
        let signature = format!("<< /Type /Sig /SubFilter /{kind} >>");
        update(
            &good,
            &[
                (3, "<< /Type /Page /Parent 2 0 R /Annots [5 0 R 8 0 R 14 0 R] /Contents 7 0 R >>"),
                (4, "<< /Fields [5 0 R 8 0 R 14 0 R] /SigFlags 3 >>"),
                (14, second),
                (15, &signature),
            ],
        )
    };
    check(&signed("ETSI.CAdES.detached"), "the signature Sig2 was added | ");
    check(&signed("ETSI.RFC3161"), "a document timestamp was added (Sig2) | ");
    // The same where the author permits nothing, or locks the field.
    let certified = |reference: &str| {
        let mut draft = Draft::new();
        for (id, text) in &mut draft.0 {
            if *id == 6 {
                *text = text.replace("/Type /Sig", &format!("/Type /Sig /Reference [{reference}]"));
            }
        }
        draft.with(1, "<< /Type /Catalog /Pages 2 0 R /AcroForm 4 0 R /Perms << /DocMDP 6 0 R >> >>").signed()
    };
    let nothing = certified("<< /TransformMethod /DocMDP /TransformParams << /P 1 >> >>");
    check(&update(&nothing, &[(8, filled), appearance]), "| the form field Price was filled in, and nothing may be");
    let locked =
        certified("<< /TransformMethod /FieldMDP /TransformParams << /Action /Include /Fields [(Price)] >> >>");
    check(&update(&locked, &[(8, filled), appearance]), "| the form field Price was filled in, and it is locked");
    let others =
        certified("<< /TransformMethod /FieldMDP /TransformParams << /Action /Exclude /Fields [(Price)] >> >>");
    check(&update(&others, &[(8, filled), appearance]), "the form field Price was filled in | ");
    let notes = certified("<< /TransformMethod /DocMDP /TransformParams << /P 3 >> >>");
    let annotated = [
        (3, "<< /Type /Page /Parent 2 0 R /Annots [5 0 R 8 0 R 12 0 R] /Contents 7 0 R >>"),
        (12, "<< /Subtype /Text >>"),
    ];
    check(&update(&notes, &annotated), "an annotation was added | ");
}

/// Inputs that cost a careless reader gigabytes or minutes.
#[test]
fn hostile_documents() {
    check(b"", "does not begin with %PDF-");
    check(b"%PDF-1.7", "does not end with startxref");
    check(b"%PDF-1.7\nstartxref\n99999999\n%%EOF", "outside of the file");
    check(b"%PDF-1.7\nstartxref\n99999999999999999999999\n%%EOF", "does not end with startxref");
    check(&vec![b'%'; PDF_BYTES_MAX + 1], "more than");
    // Sections in a ring; more entries than the file could have.
    let ring = b"%PDF-1.7\nxref\n0 0\ntrailer\n<< /Root 1 0 R /Prev 9 >>\nstartxref\n9\n%%EOF";
    check(ring, "form a ring");
    let huge = b"%PDF-1.7\nxref\n0 4294967295\ntrailer\n<< /Root 1 0 R >>\nstartxref\n9\n%%EOF";
    check(huge, "a cross-reference table does not read");
    // Entries that point into one comment before one object (1.9 GB for a reader that reads all of them).
    let mut objects = b"%PDF-1.7\n".to_vec();
    let mut table = "xref\n".to_owned();
    for id in 3..5000 {
        let _ = write!(table, "{id} 1\n{:010} 00000 n \n", objects.len());
        objects.extend_from_slice(format!("{id} 0 obj %").as_bytes());
    }
    objects.extend_from_slice(format!("\n[{}]\nendobj\n", "0 ".repeat(20_000)).as_bytes());
    let at = objects.len();
    let _ = write!(table, "trailer\n<< /Root 4000 0 R >>\nstartxref\n{at}\n%%EOF\n");
    check(&[&objects[..], table.as_bytes()].concat(), "the catalog does not read");
    // Nesting, rings of fields, of pages and of references.
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    check(&Draft::new().with(10, &deep).signed(), " | ");
    check(&Draft::new().with(1, &deep).signed(), "the catalog does not read");
    let fields = "<< /Fields [5 0 R 11 0 R] >>";
    let ring = Draft::new().with(4, fields).with(11, "<< /T (x) /Kids [11 0 R] >>").signed();
    check(&ring, "form a ring");
    let good = Draft::new().with(2, "<< /Type /Pages /Kids [2 0 R 3 0 R 2 0 R] /Count 1 >>").signed();
    check(&update(&good, &[(10, "(x)")]), " | ");
    let same = Draft::new().with(7, "<< /Length 7 0 R >> stream\nq Q\nendstream").signed();
    check(&update(&same, &[(7, "<< /Length 7 0 R >> stream\nX\nendstream")]), "does not read");
}
