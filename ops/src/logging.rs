//! The log: text for people or one JSON object a line for machines, on standard error.
//!
//! A request's id reaches every line logged while it is served, through a span: `semper_api::server` opens a span
//! `request` around each and instruments the future with it. In text the id stands before the message
//! (`request{request_id=…}:`), in JSON under `span.request_id`.
//! What is logged of a timestamp on other threads carries the id as a field of its own.

use std::io;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::config::{Log, LogFormat};

/// Why logging could not begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoggingError {
    /// `log.level` is no filter.
    #[error("log.level: {0}")]
    Level(#[from] ParseError),
    /// Called twice in one process.
    #[error("logging: {0}")]
    Begun(#[from] TryInitError),
}

/// Begins to log. Once in a process.
///
/// # Errors
/// The level cannot be parsed, or logging has begun already.
pub(crate) fn begin(settings: &Log) -> Result<(), LoggingError> {
    boxed(settings.format, filter(&settings.level)?, io::stderr).try_init()?;
    Ok(())
}

/// The filter that a level setting means: `info`, or `info,semper_ledger=debug`.
///
/// # Errors
/// It cannot be parsed.
pub(crate) fn filter(level: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).parse(level)
}

fn boxed<W>(format: LogFormat, filter: EnvFilter, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // No colours: a log is read by journald and by files at least as often as by a terminal.
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(false);
    match format {
        LogFormat::Text => Box::new(builder.finish()),
        LogFormat::Json => {
            Box::new(builder.json().flatten_event(true).with_current_span(true).with_span_list(false).finish())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, level: &str, what: impl FnOnce()) -> String {
        let captured = Captured::default();
        let writer = captured.clone();
        let subscriber = boxed(format, filter(level).unwrap(), move || writer.clone());
        tracing::subscriber::with_default(subscriber, what);
        let bytes = captured.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn serve_one() {
        let _entered = tracing::error_span!("request", request_id = "4f2a", method = "POST", route = "/tsa").entered();
        tracing::info!(serial = 7, "a token was issued");
    }

    #[test]
    fn text_lines_name_the_request() {
        let text = logged(LogFormat::Text, "info", serve_one);
        assert_eq!(text.lines().count(), 1);
        assert!(text.contains("INFO request{request_id=\"4f2a\" method=\"POST\" route=\"/tsa\"}:"), "{text}");
        assert!(text.contains("a token was issued serial=7"), "{text}");
    }

    #[test]
    fn json_lines_carry_values_as_fields() {
        let text = logged(LogFormat::Json, "info", serve_one);
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["message"], "a token was issued");
        assert_eq!(line["serial"], 7);
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["span"]["request_id"], "4f2a");
        assert_eq!(line["span"]["route"], "/tsa");
    }

    #[test]
    fn levels_filter_and_nonsense_is_refused() {
        let noisy = || {
            tracing::debug!("whispered");
            tracing::warn!("called");
        };
        let text = logged(LogFormat::Text, "info", noisy);
        assert!(text.contains("called") && !text.contains("whispered"), "{text}");
        assert_eq!(logged(LogFormat::Text, "error", noisy), "");
        assert_eq!(logged(LogFormat::Text, "error,semper=debug", noisy).lines().count(), 2);
        assert!(filter("info,a=b=c").is_err());
    }
}
