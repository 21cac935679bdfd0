//! PEM, textual encoding of DER (RFC 7468), strict form.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// One PEM block with `label`, lines of 64 characters.
#[must_use]
pub fn encode(label: &str, der: &[u8]) -> String {
    let mut pem = format!("-----BEGIN {label}-----\n");
    for line in STANDARD.encode(der).as_bytes().chunks(64) {
        pem.push_str(std::str::from_utf8(line).expect("base64 is ASCII"));
        pem.push('\n');
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}

/// The DER of every block with `label`, in order. Text outside blocks is ignored, as RFC 7468 §5.2 permits; blocks with
/// other labels are skipped. `None` if a block has no end or is no base64.
#[must_use]
pub fn decode(label: &str, text: &str) -> Option<Vec<Vec<u8>>> {
    let begin = format!("-----BEGIN {label}-----");
    let end = format!("-----END {label}-----");
    let mut blocks = Vec::new();
    let mut open: Option<String> = None;
    for line in text.lines().map(str::trim_end) {
        match &mut open {
            None if line == begin => open = Some(String::new()),
            None => {}
            Some(body) if line == end => {
                blocks.push(STANDARD.decode(&body).ok()?);
                open = None;
            }
            Some(body) => body.push_str(line),
        }
    }
    open.is_none().then_some(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_back() {
        let text =
            ["note\n", &encode("CERTIFICATE", &[1; 100]), &encode("KEY", &[3]), &encode("CERTIFICATE", &[2])].concat();
        assert_eq!(decode("CERTIFICATE", &text), Some(vec![vec![1; 100], vec![2]]));
        assert_eq!(decode("CERTIFICATE", &text.replace('\n', "\r\n")), Some(vec![vec![1; 100], vec![2]]));
        assert_eq!(decode("CERTIFICATE", ""), Some(vec![]));
        assert_eq!(decode("CERTIFICATE", "-----BEGIN CERTIFICATE-----\nAQ==\n"), None);
        assert_eq!(decode("CERTIFICATE", "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n"), None);
    }
}
