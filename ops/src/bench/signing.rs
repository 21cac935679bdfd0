//! Raw signing, as `openssl speed` measures it: the limit of tokens.

use std::process::Command;

use super::Failed;

/// Processes that sign at once.
pub(crate) const PROCESSES: u32 = 2;

/// P-256 signatures a second, of [`PROCESSES`] processes for `seconds`; `None` where there is no `openssl`.
///
/// # Errors
/// What it prints does not read.
pub(crate) fn p256_signs_per_second(seconds: u32) -> Result<Option<f64>, Failed> {
    let (multi, seconds) = (PROCESSES.to_string(), seconds.to_string());
    let output = Command::new("openssl").args(["speed", "-multi", &multi, "-seconds", &seconds, "ecdsap256"]).output();
    match output {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            parse(&text).map(Some).ok_or_else(|| Failed("openssl speed printed no rate for nistp256".to_owned()))
        }
    }
}

/// The line ` 256 bits ecdsa (nistp256)  0.0000s  0.0001s  40000.0  15000.0`: seconds a sign and a verify, then rates.
fn parse(text: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.contains("ecdsa (nistp256)") && !line.starts_with('+'))?;
    line.split_whitespace().rev().nth(1)?.parse().ok().filter(|rate: &f64| *rate > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_openssl_prints() {
        let text = "version: 3.5.1\n                              sign    verify    sign/s verify/s\n \
                    256 bits ecdsa (nistp256)   0.0000s   0.0002s  43012.6   4427.2\n";
        assert_eq!(parse(text), Some(43012.6));
        assert_eq!(parse("version: 3.5.1\n"), None);
    }
}
