//! The PKCS#11 module of this process: loaded and initialised once, and never ended.
//!
//! A second C_Initialize, or an end while another thread is inside, crashes modules (parallaxsecond/rust-cryptoki#260).

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock, PoisonError},
};

use cryptoki::{
    context::{CInitializeArgs, CInitializeFlags, Pkcs11},
    slot::Slot,
};

use super::{HsmFault, TokenName};

struct Loaded {
    path: PathBuf,
    pkcs11: Pkcs11,
}

static LOADED: OnceLock<Loaded> = OnceLock::new();

/// Held while one thread loads: `OnceLock` cannot yet be set by what may fail.
static LOADING: Mutex<()> = Mutex::new(());

/// The module at `path`, loaded by the first call.
pub(super) fn load(path: &Path) -> Result<&'static Pkcs11, HsmFault> {
    let _loading = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
    let not_loaded = |reason: String| HsmFault::ModuleNotLoaded { path: path.to_owned(), reason };
    // Distributions give one module several names.
    let real = fs::canonicalize(path).map_err(|error| not_loaded(error.to_string()))?;
    if let Some(loaded) = LOADED.get() {
        return match loaded.path == real {
            true => Ok(&loaded.pkcs11),
            false => Err(HsmFault::SecondModule { loaded: loaded.path.clone(), asked: path.to_owned() }),
        };
    }
    let pkcs11 = Pkcs11::new(&real).map_err(|error| not_loaded(error.to_string()))?;
    // Without this flag a module may think that it is called by one thread.
    pkcs11
        .initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))
        .map_err(|error| not_loaded(HsmFault::from(error).to_string()))?;
    Ok(&LOADED.get_or_init(|| Loaded { path: real, pkcs11 }).pkcs11)
}

/// The slot in which the token of this name is now.
pub(super) fn slot_of(pkcs11: &Pkcs11, name: &TokenName) -> Result<Slot, HsmFault> {
    let (mut fitting, mut found) = (Vec::new(), Vec::new());
    for slot in pkcs11.get_slots_with_token()? {
        // One that was pulled out just now, or whose texts are none, is not the one that is wanted.
        let Ok(token) = pkcs11.get_token_info(slot) else { continue };
        if !token.token_initialized() {
            continue;
        }
        found.push(format!("{:?} (serial number {})", token.label(), token.serial_number()));
        let fits = match name {
            TokenName::Label(label) => token.label() == label,
            TokenName::Serial(serial) => token.serial_number() == serial,
        };
        if fits {
            fitting.push(slot);
        }
    }
    match fitting[..] {
        [slot] => Ok(slot),
        [] => Err(HsmFault::NoSuchToken { name: name.clone(), found }),
        _ => Err(HsmFault::AmbiguousToken { name: name.clone(), found }),
    }
}
