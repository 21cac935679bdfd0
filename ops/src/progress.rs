//! Progress bars for long work: drawn on standard error, only when somebody watches. Never with `--json`, never into a
//! pipe or a log file.

use std::borrow::Cow;
use std::fmt::Write;
use std::io::IsTerminal;

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// A bar, or nothing at all; the work does not need to know which. Clones share one bar, also across threads. A bar
/// that is dropped unfinished, say by an error, leaves the screen.
#[derive(Clone, Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// A bar up to `total`, or a spinner when the total is not known.
    pub(crate) fn new(json: bool, label: impl Into<Cow<'static, str>>, total: Option<u64>) -> Progress {
        let target = if draws(json, std::io::stderr().is_terminal()) {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Progress::on(target, label, total)
    }

    /// A bar that is never drawn.
    pub(crate) fn none() -> Progress {
        Progress(ProgressBar::hidden())
    }

    fn on(target: ProgressDrawTarget, label: impl Into<Cow<'static, str>>, total: Option<u64>) -> Progress {
        let bar = ProgressBar::with_draw_target(total, target);
        let template = match total {
            Some(_) => "{msg} [{bar:32}] {human_pos}/{human_len} {rate} {eta}",
            None => "{msg} {spinner} {human_pos} {rate}",
        };
        // A template that does not parse would be a bug of this file, found by its test; the default bar still serves.
        if let Ok(style) = ProgressStyle::with_template(template) {
            // The library's own has four decimals.
            let rate = |state: &ProgressState, to: &mut dyn Write| {
                let _ = write!(to, "{}/s", HumanCount(state.per_sec() as u64)); // a bar that is not drawn is no fault
            };
            bar.set_style(style.with_key("rate", rate).progress_chars("=> "));
        }
        bar.set_message(label);
        Progress(bar)
    }

    /// So much more is done.
    pub(crate) fn add(&self, done: u64) {
        self.0.inc(done);
    }

    /// So much is to do in all.
    pub(crate) fn set_total(&self, total: u64) {
        self.0.set_length(total);
    }

    /// So much is done in all.
    pub(crate) fn set(&self, done: u64) {
        self.0.set_position(done);
    }

    /// Done: takes the bar off the screen.
    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

fn draws(json: bool, terminal: bool) -> bool {
    terminal && !json
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use indicatif::TermLike;

    use super::*;

    /// A terminal of one line.
    #[derive(Clone, Debug, Default)]
    struct Line(Arc<Mutex<String>>);

    impl Line {
        fn contents(&self) -> String {
            self.0.lock().unwrap().trim_end().to_owned()
        }
    }

    impl TermLike for Line {
        fn width(&self) -> u16 {
            120
        }

        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }

        fn clear_line(&self) -> io::Result<()> {
            self.0.lock().unwrap().clear();
            Ok(())
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn bars_are_for_people_only() {
        assert!(draws(false, true));
        assert!(!draws(true, true));
        assert!(!draws(false, false));
        assert!(!draws(true, false));
    }

    #[test]
    fn a_bar_shows_label_and_counts_and_leaves_nothing_behind() {
        let shown = |total, done: u64| {
            let terminal = Line::default();
            let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
            let progress = Progress::on(target, "checking", total);
            progress.set(1);
            progress.clone().add(done - 1);
            progress.0.tick();
            let contents = terminal.contents();
            progress.finish();
            assert_eq!(terminal.contents(), "");
            contents
        };
        let items = shown(Some(2_000_000), 1_000_000);
        assert!(items.starts_with("checking [") && items.contains("1,000,000/2,000,000"), "{items}");
        assert!(shown(None, 7).contains(" 7 ") && !shown(None, 7).contains('.'));
    }

    #[test]
    fn a_hidden_bar_counts_all_the_same() {
        let progress = Progress::none();
        progress.add(3);
        assert!(progress.0.is_hidden());
        assert_eq!(progress.0.position(), 3);
    }
}
