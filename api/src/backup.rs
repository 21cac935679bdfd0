//! Copies of the store while it is being written: made for `semper backup`, which reads them in a process of its own.
//!
//! ```text
//! POST   /backup        makes a copy; 409 while there is one
//! GET    /backup        the copy that is there; how many entries have been answered for by now
//! DELETE /backup/{id}   removes it
//! ```
//!
//! On the admin listener, and from the machine itself only, wherever that listener is bound: an answer names a path, and a copy
//! keeps the space of its files. In scope: one copy at a time, its life, who may ask. Out of scope: what is done with it.
//!
//! **A copy may hold a group that nobody has been answered for yet**: the store comes before the anchor. Were the machine to
//! fail just then, that group might not be there after the restart, and another stand in its place. So whoever uses a copy
//! waits until the log has published as much as the copy holds (`published` in every answer).

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json, Router,
    extract::{Path as Segment, Request, State},
    http::{Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{delete, get},
};
use semper_ttp::crypto::Entropy;
use serde::{Deserialize, Serialize};

use crate::{
    client::{Client, ClientError},
    server::{Peer, RequestId},
    service::Service,
};

/// Makes the copy in a folder that is not there yet.
pub type Copy = Box<dyn Fn(&Path) -> Result<(), String> + Send + Sync>;

/// The copies of one store.
pub struct Checkpoints {
    folder: PathBuf,
    copy: Copy,
    entropy: Arc<dyn Entropy>,
    current: Mutex<Option<Current>>,
}

/// A copy that is there.
#[derive(Clone, Debug)]
struct Current {
    id: String,
    path: PathBuf,
    time_ms: u64,
}

/// What every answer says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Names the copy.
    pub id: String,
    /// Its folder.
    pub path: PathBuf,
    /// When it was made, ms since 1970.
    pub time_ms: u64,
    /// Entries that the log has published by now.
    pub published: u64,
    /// Their root, hex.
    pub root: String,
}

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointFault {
    /// One is there.
    #[error("there is a copy already")]
    Taken,
    /// The disk, or the store.
    #[error("{0}")]
    Failed(String),
}

impl Checkpoints {
    /// Copies in `folder`, which belongs to this alone and must lie on the store's file system. With `sweep`, whatever an earlier
    /// process left in it is removed.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn new(folder: PathBuf, sweep: bool, entropy: Arc<dyn Entropy>, copy: Copy) -> io::Result<Self> {
        match if sweep { fs::remove_dir_all(&folder) } else { Ok(()) } {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        Ok(Self { folder, copy, entropy, current: Mutex::new(None) })
    }

    fn make(&self, time_ms: u64) -> Result<Current, CheckpointFault> {
        // Held while the copy is made: a second asker is told that there is one, and is told so when it is whole.
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.is_some() {
            return Err(CheckpointFault::Taken);
        }
        let failed = |error: &dyn std::fmt::Display| CheckpointFault::Failed(error.to_string());
        let mut id = [0; 8];
        self.entropy.fill(&mut id).map_err(|fault| failed(&fault))?;
        let id = hex::encode(id);
        let path = self.folder.join(&id);
        fs::create_dir_all(&self.folder).map_err(|error| failed(&error))?;
        if let Err(why) = (self.copy)(&path) {
            let _ = fs::remove_dir_all(&path); // what is told is why there is none
            return Err(CheckpointFault::Failed(why));
        }
        Ok(current.insert(Current { id, path, time_ms }).clone())
    }

    fn current(&self) -> Option<Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// True if it was there.
    fn remove(&self, id: &str) -> io::Result<bool> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(found) = current.as_ref().filter(|found| found.id == id) else { return Ok(false) };
        fs::remove_dir_all(&found.path)?;
        *current = None;
        Ok(true)
    }
}

/// Asks a server on this machine, whose admin listener `client` leads to, for a copy.
///
/// # Errors
/// [`ClientError`]; status 409 while there is one.
pub async fn make_copy(client: &Client) -> Result<Checkpoint, ClientError> {
    read(&client.call(Method::POST, "/backup").await?)
}

/// The copy that is there, and what the log has published by now.
///
/// # Errors
/// [`ClientError`].
pub async fn look_at_copy(client: &Client) -> Result<Checkpoint, ClientError> {
    read(&client.get("/backup").await?)
}

/// Has the copy removed.
///
/// # Errors
/// [`ClientError`].
pub async fn remove_copy(client: &Client, id: &str) -> Result<(), ClientError> {
    client.call(Method::DELETE, &format!("/backup/{id}")).await.map(drop)
}

fn read(answer: &[u8]) -> Result<Checkpoint, ClientError> {
    let text = || String::from_utf8_lossy(answer).chars().take(300).collect();
    serde_json::from_slice(answer).map_err(|_| ClientError::Status { status: 200, text: text() })
}

/// The routes.
pub(crate) fn routes() -> Router<Arc<Service>> {
    Router::new()
        .route("/backup", get(look).post(make))
        .route("/backup/{id}", delete(remove))
        .layer(middleware::from_fn(from_this_machine))
}

/// Refuses everybody else, also where the listener is open to them; and what a browser on this machine sends for a page
/// from elsewhere, which always names its origin.
async fn from_this_machine(request: Request, next: Next) -> Response {
    let local = request.extensions().get::<(Peer, RequestId)>().is_some_and(|(Peer(address), _)| address.is_loopback());
    match local && !request.headers().contains_key(header::ORIGIN) {
        true => next.run(request).await,
        false => answer(StatusCode::FORBIDDEN, &"from this machine only"),
    }
}

async fn make(State(service): State<Arc<Service>>) -> Response {
    let made = tokio::task::spawn_blocking(move || {
        let checkpoints = service.checkpoints.as_ref()?;
        let made = checkpoints.make(service.time.now().millis());
        Some(made.map(|current| described(&service, current)))
    });
    match made.await {
        Ok(Some(Ok(checkpoint))) => Json(checkpoint).into_response(),
        Ok(Some(Err(fault @ CheckpointFault::Taken))) => answer(StatusCode::CONFLICT, &fault),
        Ok(Some(Err(fault))) => {
            tracing::error!(%fault, "no copy of the store could be made for a backup");
            answer(StatusCode::INTERNAL_SERVER_ERROR, &fault)
        }
        Ok(None) => answer(StatusCode::NOT_FOUND, &"this store is in memory"),
        Err(panic) => answer(StatusCode::INTERNAL_SERVER_ERROR, &panic),
    }
}

async fn look(State(service): State<Arc<Service>>) -> Response {
    match service.checkpoints.as_ref().and_then(Checkpoints::current) {
        Some(current) => Json(described(&service, current)).into_response(),
        None => answer(StatusCode::NOT_FOUND, &"there is no copy"),
    }
}

async fn remove(State(service): State<Arc<Service>>, Segment(id): Segment<String>) -> Response {
    let removed = tokio::task::spawn_blocking(move || service.checkpoints.as_ref().map(|all| all.remove(&id)));
    match removed.await {
        Ok(Some(Ok(true))) => answer(StatusCode::OK, &"removed"),
        Ok(Some(Ok(false)) | None) => answer(StatusCode::NOT_FOUND, &"there is no such copy"),
        Ok(Some(Err(error))) => answer(StatusCode::INTERNAL_SERVER_ERROR, &error),
        Err(panic) => answer(StatusCode::INTERNAL_SERVER_ERROR, &panic),
    }
}

fn described(service: &Service, current: Current) -> Checkpoint {
    let newest = service.reader().newest();
    let Current { id, path, time_ms } = current;
    Checkpoint { id, path, time_ms, published: newest.edge().size(), root: hex::encode(newest.edge().root()) }
}

fn answer(status: StatusCode, why: &dyn std::fmt::Display) -> Response {
    (status, format!("{why}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use semper_ttp::crypto::OsEntropy;

    use super::*;

    fn checkpoints(folder: &Path) -> Checkpoints {
        let copy: Copy = Box::new(|path| fs::create_dir(path).map_err(|error| error.to_string()));
        Checkpoints::new(folder.to_owned(), true, Arc::new(OsEntropy), copy).unwrap()
    }

    #[tokio::test]
    async fn only_this_machine_is_heard() {
        use axum::body::Body;
        use tower::ServiceExt as _;

        let app =
            Router::new().route("/backup", get(|| async { "made" })).layer(middleware::from_fn(from_this_machine));
        for (peer, origin, status) in [
            (Some("127.0.0.1"), None, 200),
            (Some("::1"), None, 200),
            (Some("192.0.2.1"), None, 403),
            (Some("127.0.0.1"), Some("https://a.page.example"), 403),
            (None, None, 403),
        ] {
            let mut request = Request::builder().uri("/backup");
            if let Some(origin) = origin {
                request = request.header(header::ORIGIN, origin);
            }
            let mut request = request.body(Body::empty()).unwrap();
            if let Some(peer) = peer {
                request.extensions_mut().insert((Peer(peer.parse().unwrap()), RequestId(1)));
            }
            let answer = app.clone().oneshot(request).await.unwrap();
            assert_eq!(answer.status().as_u16(), status, "{peer:?} {origin:?}");
        }
    }

    #[test]
    fn one_at_a_time_and_none_is_left_behind() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("checkpoints");
        let all = checkpoints(&folder);
        let made = all.make(1).unwrap();
        assert!(made.path.is_dir());
        assert!(matches!(all.make(2), Err(CheckpointFault::Taken)));
        assert!(!all.remove("another").unwrap());
        assert!(all.remove(&made.id).unwrap());
        assert!(!made.path.exists() && !all.remove(&made.id).unwrap());
        let left = all.make(3).unwrap().path;
        assert!(left.is_dir());
        drop(all);
        let all = checkpoints(&folder);
        assert!(!left.exists() && all.current().is_none());
    }

    #[test]
    fn what_fails_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let copy: Copy = Box::new(|path| {
            fs::create_dir(path).unwrap();
            Err("no space".to_owned())
        });
        let folder = dir.path().join("checkpoints");
        let all = Checkpoints::new(folder.clone(), true, Arc::new(OsEntropy), copy).unwrap();
        assert!(matches!(all.make(1), Err(CheckpointFault::Failed(why)) if why == "no space"));
        assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
    }
}
