//! The sessions of one token: a fixed number, each used by one operation at a time, all opened and logged in together.
//!
//! ```text
//!            ┌──── an operation finds its session, its login or the token gone ────┐
//!          Ready                                                                  Lost ── the PIN is refused ──▶ Barred
//!            └◀── all others are back: close all, open all, log in, by one thread ─┘
//! ```
//!
//! One dead session means that all are: they die with the login, the token or the network below it. So all are dropped, and the
//! operation is tried once more on new ones. Whoever finds the same meanwhile waits for that one login, since tokens count them.

use std::{
    collections::HashMap,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use cryptoki::{
    context::Pkcs11,
    error::{Error, RvError},
    object::ObjectHandle,
    session::{Session, UserType},
    slot::{Limit, Slot, TokenInfo},
    types::AuthPin,
};
use semper_ttp::digest::Digest;

use super::{HsmFault, TokenSettings, module};

pub(super) struct Sessions {
    pkcs11: &'static Pkcs11,
    settings: TokenSettings,
    state: Mutex<State>,
    changed: Condvar,
    logins: AtomicU64,
}

struct State {
    phase: Phase,
    idle: Vec<Pooled>,
    /// Sessions that an operation has.
    out: usize,
    /// How often opening anew failed, and how at last: for those who waited for it.
    failures: u64,
    failure: Option<HsmFault>,
}

enum Phase {
    Ready,
    Lost,
    Reopening,
    /// The token refused the PIN, which is not sent again.
    Barred(HsmFault),
}

/// A session with the handles of the keys that it has looked up.
pub(super) struct Pooled {
    session: Session,
    slot: Slot,
    /// By SHA-256 of the SubjectPublicKeyInfo.
    handles: HashMap<Digest, ObjectHandle>,
}

impl Pooled {
    fn new(session: Session, slot: Slot) -> Self {
        Self { session, slot, handles: HashMap::new() }
    }

    pub(super) fn raw(&self) -> &Session {
        &self.session
    }

    pub(super) fn handle_of(&self, key: &Digest) -> Option<ObjectHandle> {
        self.handles.get(key).copied()
    }

    pub(super) fn remember(&mut self, key: Digest, handle: ObjectHandle) {
        self.handles.insert(key, handle);
    }
}

impl Sessions {
    pub(super) fn open(settings: TokenSettings) -> Result<Self, HsmFault> {
        let pkcs11 = module::load(&settings.module)?;
        let state = State { phase: Phase::Lost, idle: Vec::new(), out: 0, failures: 0, failure: None };
        let sessions =
            Self { pkcs11, settings, state: Mutex::new(state), changed: Condvar::new(), logins: AtomicU64::new(0) };
        drop(sessions.take()?);
        Ok(sessions)
    }

    pub(super) fn settings(&self) -> &TokenSettings {
        &self.settings
    }

    pub(super) fn logins(&self) -> u64 {
        self.logins.load(Ordering::Relaxed)
    }

    /// Runs `work` on a session; a second time on a new one, if the first was lost.
    pub(super) fn run<T>(&self, work: impl Fn(&mut Pooled) -> Result<T, HsmFault>) -> Result<T, HsmFault> {
        match self.take()?.run(&work) {
            Err(HsmFault::Lost(call)) => {
                tracing::warn!(token = %self.settings.name, "sessions of the PKCS#11 token are opened anew: {call}");
                self.take()?.run(&work)
            }
            answer => answer,
        }
    }

    /// Runs `work` on a session.
    pub(super) fn run_once<T>(&self, work: impl FnOnce(&mut Pooled) -> Result<T, HsmFault>) -> Result<T, HsmFault> {
        self.take()?.run(work)
    }

    /// A session that may change the token, beside `session`, whose login is also its own.
    pub(super) fn open_for_writing(&self, session: &Pooled) -> Result<Session, HsmFault> {
        Ok(self.pkcs11.open_rw_session(session.slot)?)
    }

    /// Waits for a session; opens all anew if they were lost.
    fn take(&self) -> Result<Lease<'_>, HsmFault> {
        let mut state = self.lock();
        let failures = state.failures;
        loop {
            match &state.phase {
                Phase::Barred(fault) => return Err(fault.clone()),
                Phase::Ready => {
                    if let Some(session) = state.idle.pop() {
                        state.out += 1;
                        return Ok(Lease { sessions: self, session: Some(session), fate: Fate::Keep });
                    }
                }
                // The one login that this thread has waited for failed; another would fail too, and be one too many.
                Phase::Lost if state.failures != failures => {
                    return Err(state.failure.clone().expect("a failure is kept with its number"));
                }
                // Only when all are back. Modules number sessions anew: an old one that is closed late could close a new one.
                Phase::Lost if state.out == 0 => {
                    state = self.reopen(state);
                    continue;
                }
                Phase::Lost | Phase::Reopening => {}
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn reopen<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        state.phase = Phase::Reopening;
        let dead = mem::take(&mut state.idle);
        drop(state);
        // Unlocked from here on, since each call may take as long as the network to the token likes.
        drop(dead);
        let opened = catch_unwind(AssertUnwindSafe(|| self.open_all()))
            .unwrap_or_else(|_| Err(HsmFault::Module { reason: "opening it panicked".to_owned() }));
        let mut state = self.lock();
        match opened {
            Ok(sessions) => {
                state.phase = Phase::Ready;
                state.idle = sessions;
            }
            Err(fault) => {
                state.phase = if fault.is_of_the_pin() { Phase::Barred(fault.clone()) } else { Phase::Lost };
                state.failures += 1;
                state.failure = Some(fault);
            }
        }
        self.changed.notify_all();
        state
    }

    /// The token may be in another slot than before.
    fn open_all(&self) -> Result<Vec<Pooled>, HsmFault> {
        let slot = module::slot_of(self.pkcs11, &self.settings.name)?;
        let token = self.pkcs11.get_token_info(slot)?;
        let asked = self.settings.sessions;
        let max = match token.max_session_count() {
            Limit::Max(max) => Some(max),
            Limit::Unavailable | Limit::Infinite => None,
        };
        if asked == 0 || max.is_some_and(|max| asked as u64 > max) {
            return Err(HsmFault::Sessions { asked, max });
        }
        let open = || Ok(Pooled::new(self.pkcs11.open_ro_session(slot)?, slot));
        let sessions = (0..asked).map(|_| open()).collect::<Result<Vec<_>, HsmFault>>()?;
        // The login is the program's, and so that of all its sessions (PKCS#11 v2.40, C_Login).
        self.log_in(&sessions[0].session, &token)?;
        Ok(sessions)
    }

    fn log_in(&self, session: &Session, token: &TokenInfo) -> Result<(), HsmFault> {
        if token.user_pin_locked() {
            return Err(HsmFault::PinLocked);
        }
        // A server that is restarted until its PIN is right would lock the token.
        if token.user_pin_final_try() {
            return Err(HsmFault::PinFinalTry);
        }
        self.logins.fetch_add(1, Ordering::Relaxed);
        // AuthPin wipes what it is given.
        let pin = AuthPin::new(self.settings.pin.expose().into());
        match session.login(UserType::User, Some(&pin)) {
            // By another `Token` of this process.
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn give_back(&self, session: Pooled, fate: Fate) {
        let slot = session.slot;
        let (session, lost) = match fate {
            Fate::Keep => (Some(session), false),
            Fate::Lost => {
                // Before it counts as back: see `take`.
                drop(session);
                (None, true)
            }
            Fate::Replace => {
                // Opened before the old one is closed: with the last session the login would end.
                let new = self.pkcs11.open_ro_session(slot).ok().map(|new| Pooled::new(new, slot));
                let lost = new.is_none();
                drop(session);
                (new, lost)
            }
        };
        let mut state = self.lock();
        state.out -= 1;
        state.idle.extend(session);
        if lost && matches!(state.phase, Phase::Ready) {
            state.phase = Phase::Lost;
        }
        if matches!(state.phase, Phase::Ready) {
            self.changed.notify_one();
        } else {
            self.changed.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held, and every change is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session in use; it comes back also from a panic.
struct Lease<'a> {
    sessions: &'a Sessions,
    session: Option<Pooled>,
    fate: Fate,
}

#[derive(Clone, Copy)]
enum Fate {
    Keep,
    /// The token refused: an operation may still be open in the session and block the next one.
    Replace,
    Lost,
}

impl Lease<'_> {
    fn run<T>(mut self, work: impl FnOnce(&mut Pooled) -> Result<T, HsmFault>) -> Result<T, HsmFault> {
        let session = self.session.as_mut().expect("a lease has its session until it is dropped");
        let answer = work(session);
        self.fate = match &answer {
            Err(HsmFault::Lost(_)) => Fate::Lost,
            Err(HsmFault::Refused(_) | HsmFault::Unsupported { .. } | HsmFault::Module { .. }) => Fate::Replace,
            Ok(_) | Err(_) => Fate::Keep,
        };
        answer
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            self.sessions.give_back(session, if thread::panicking() { Fate::Lost } else { self.fate });
        }
    }
}
