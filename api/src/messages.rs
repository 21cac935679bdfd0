//! Messages of an exchange from one side to the other over HTTP: who listens, and who sends.
//!
//! ```text
//! POST /exchange   a message (semper_ttp::client::message) as application/json
//!   200            the next message of the side that listens
//!   202            taken, and there is nothing to say yet: {"t":"exchange-taken","v":1}
//!   4xx, 503       problem details (RFC 9457); nothing has changed
//! ```
//!
//! A message proves by itself who made it, so neither side logs in here. Whoever listens takes what belongs to runs that it knows, and
//! refuses the rest ([`Recipient`]); how long a message is, how many there are at once and how long each may take is bounded.
//!
//! Out of scope: what a message means (`semper-ttp`), where its run lies (`semper-ops`), retries (whoever sends knows until when).

use std::sync::Arc;
use std::time::Duration;

use axum::{
    Router,
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::post,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use semper_ttp::client::message::{MESSAGE_BYTES_MAX, Message};
use serde_json::json;
use tokio::{net::TcpListener, sync::watch};

use crate::{
    body,
    client::{Client, ClientError},
    metrics::HttpMetrics,
    router::BodyLimits,
    server::{self, Limits, Served},
};

/// Where messages are taken.
const PATH: &str = "/exchange";

/// What is said where there is no next message.
const TAKEN: &str = "exchange-taken";

/// Connections at once: each may hold a message of six mebibytes.
const CONNECTIONS_MAX: usize = 16;
const CONNECTIONS_PER_ADDRESS_MAX: usize = 4;

/// How long a whole message may take to come, and how long a connection may be idle.
const BODY_WAIT: Duration = Duration::from_secs(60);
const IDLE_WAIT: Duration = Duration::from_secs(10);

/// How long an answer may take: whoever listens asks its arbiter's service before it answers.
const ANSWER_WAIT: Duration = Duration::from_secs(120);

/// Why a message is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It belongs to no run that is known here, and is no offer that may be made here.
    #[error("it belongs to no run that is known here")]
    Unknown,
    /// It breaks a rule of its run.
    #[error("{0}")]
    Wrong(String),
    /// It may be sent again in a while.
    #[error("{0}")]
    Later(String),
}

/// Who takes messages.
pub trait Recipient: Send + Sync + 'static {
    /// Takes one; gives the next, if there is one. Blocks. What follows from it is durable on return.
    ///
    /// # Errors
    /// [`Refused`]: nothing has changed.
    fn take(&self, message: &Message) -> Result<Option<Message>, Refused>;
}

/// The one route.
pub fn routes(recipient: Arc<dyn Recipient>) -> Router {
    Router::new()
        .route(PATH, post(take))
        .fallback(async || problem(StatusCode::NOT_FOUND, "http.not_found", "there is nothing here"))
        .with_state(recipient)
}

/// Listens until `stop` turns true.
pub async fn serve(listener: TcpListener, recipient: Arc<dyn Recipient>, stop: watch::Receiver<bool>) {
    let limits = Limits {
        header_read_timeout: IDLE_WAIT,
        idle_timeout: ANSWER_WAIT,
        connections_max: CONNECTIONS_MAX,
        connections_per_address_max: CONNECTIONS_PER_ADDRESS_MAX,
    };
    let label = |path: &str| if path == PATH { PATH } else { "other" };
    let served = Served { router: routes(recipient), label, metrics: Arc::new(HttpMetrics::unread()) };
    server::serve(listener, served, limits, stop).await;
}

async fn take(State(recipient): State<Arc<dyn Recipient>>, headers: HeaderMap, request: Request) -> Response {
    if !body::has_media_type(&headers, "application/json") {
        return problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "http.media_type", "a message is application/json");
    }
    let limits = BodyLimits { body_bytes_max: MESSAGE_BYTES_MAX, body_read_timeout: BODY_WAIT };
    let bytes = match body::read(&limits, request).await {
        Ok(bytes) => bytes,
        Err(refused) => return refused,
    };
    let message = match Message::parse(&bytes) {
        Ok(message) => message,
        Err(fault) => return problem(StatusCode::BAD_REQUEST, "message.malformed", &fault.to_string()),
    };
    drop(bytes);
    match tokio::task::spawn_blocking(move || recipient.take(&message)).await {
        Ok(Ok(Some(next))) => answer(StatusCode::OK, next.to_bytes()),
        Ok(Ok(None)) => answer(StatusCode::ACCEPTED, json!({ "t": TAKEN, "v": 1 }).to_string().into_bytes()),
        Ok(Err(refused @ Refused::Unknown)) => problem(StatusCode::NOT_FOUND, "message.unknown", &refused.to_string()),
        Ok(Err(Refused::Wrong(why))) => problem(StatusCode::UNPROCESSABLE_ENTITY, "message.refused", &why),
        Ok(Err(Refused::Later(why))) => problem(StatusCode::SERVICE_UNAVAILABLE, "message.later", &why),
        Err(error) => {
            tracing::error!(%error, "a message was not handled");
            problem(StatusCode::INTERNAL_SERVER_ERROR, "message.fault", "it could not be handled")
        }
    }
}

fn answer(status: StatusCode, bytes: Vec<u8>) -> Response {
    (status, [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], bytes).into_response()
}

fn problem(status: StatusCode, code: &str, detail: &str) -> Response {
    let document = json!({ "type": "about:blank", "status": status.as_u16(), "code": code, "detail": detail });
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"))];
    (status, headers, document.to_string()).into_response()
}

/// Sends a message to the side that listens at a client's URL; gives the next one, if it has one to say.
///
/// # Errors
/// [`ClientError`]. An answer that is neither a message nor "taken" is none.
pub async fn send(client: &Client, message: &Message) -> Result<Option<Message>, ClientError> {
    let client = client.clone().with_answer_bytes(MESSAGE_BYTES_MAX).with_answer_limit(ANSWER_WAIT);
    // A message is known by itself, whoever repeats it.
    let once = semper_ttp::b64u::encode(&message.statement.digest().0);
    let answer = client.post_json(PATH, &once, message.to_bytes()).await?;
    if let Ok(next) = Message::parse(&answer) {
        return Ok(Some(next));
    }
    let taken: serde_json::Value = serde_json::from_slice(&answer).unwrap_or_default();
    match taken["t"] == TAKEN {
        true => Ok(None),
        false => Err(ClientError::Status { status: 200, text: "the other side's answer is no message".to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use semper_ttp::b64u::B64u;
    use semper_ttp::crypto::jose::{Algorithm, Key};
    use semper_ttp::crypto::{SignatureAlgorithm, Signer as _, SoftKey};
    use semper_ttp::digest::Digest;
    use semper_ttp::statement::exchange::Protocol;
    use semper_ttp::statement::exchange::asw_r::M4;
    use semper_ttp::statement::{Common, Millis, Salt, Statement, Unsigned};

    use super::*;

    /// Gives what it was told to, and keeps what came.
    struct Scripted {
        answers: Mutex<Vec<Result<Option<Message>, Refused>>>,
        came: Mutex<Vec<Message>>,
    }

    impl Recipient for Scripted {
        fn take(&self, message: &Message) -> Result<Option<Message>, Refused> {
            self.came.lock().unwrap().push(message.clone());
            self.answers.lock().unwrap().remove(0)
        }
    }

    fn message(nonce: u8) -> Message {
        let key = SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap();
        let common = Common {
            salt: Salt(B64u([5; 16])),
            iat: Millis::new(1).unwrap(),
            x: Some(Digest::of(b"a run").into()),
            shown: None,
        };
        let body = M4 { n_r: B64u([nonce; 32]), c_o: B64u([2; 32]) };
        let name = Key::from_spki_der(key.spki_der()).unwrap().thumbprint();
        let unsigned = Unsigned::new(&Statement { common, body }, Algorithm::Es256, name).unwrap();
        let signature = key.sign_raw(unsigned.message()).unwrap();
        Message {
            protocol: Protocol::AswR,
            statement: unsigned.finish(&signature).unwrap(),
            certificates: vec![vec![0x30, 0]],
            beside: None,
        }
    }

    async fn listening(answers: Vec<Result<Option<Message>, Refused>>) -> (Client, Arc<Scripted>, watch::Sender<bool>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let scripted = Arc::new(Scripted { answers: Mutex::new(answers), came: Mutex::default() });
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(serve(listener, scripted.clone(), stopped));
        (client, scripted, stop)
    }

    #[tokio::test]
    async fn a_message_is_answered_by_the_next_one_or_taken() {
        let (first, next) = (message(1), message(2));
        let (client, scripted, _stop) = listening(vec![Ok(Some(next.clone())), Ok(None)]).await;
        assert_eq!(send(&client, &first).await, Ok(Some(next)));
        assert_eq!(send(&client, &first).await, Ok(None));
        assert_eq!(*scripted.came.lock().unwrap(), [first.clone(), first]);
    }

    #[tokio::test]
    async fn whoever_is_refused_is_told_why() {
        let answers = vec![
            Err(Refused::Unknown),
            Err(Refused::Wrong("it lies".to_owned())),
            Err(Refused::Later("busy".to_owned())),
        ];
        let (client, _came, _stop) = listening(answers).await;
        let refused = |status, code: &str, detail: &str| {
            Err(ClientError::Refused { status, code: code.to_owned(), detail: detail.to_owned() })
        };
        let unknown = refused(404, "message.unknown", "it belongs to no run that is known here");
        assert_eq!(send(&client, &message(1)).await, unknown);
        assert_eq!(send(&client, &message(1)).await, refused(422, "message.refused", "it lies"));
        assert_eq!(send(&client, &message(1)).await, Err(ClientError::Busy { retry_after_secs: None }));
    }

    #[tokio::test]
    async fn what_is_no_message_reaches_nobody() {
        let (client, scripted, _stop) = listening(Vec::new()).await;
        for (path, body, status) in [
            (PATH, b"{}".to_vec(), 400),
            (PATH, b"{\"t\":\"exchange-message\",\"t\":1}".to_vec(), 400),
            ("/other", message(1).to_bytes(), 404),
        ] {
            let refused = client.post_json(path, "once", body).await.unwrap_err();
            assert!(matches!(refused, ClientError::Refused { status: found, .. } if found == status), "{refused}");
        }
        let typed = client.post_of_type(PATH, "text/plain", message(1).to_bytes()).await.unwrap_err();
        assert!(matches!(typed, ClientError::Status { status: 415, .. }), "{typed}");
        let long = client.post_json(PATH, "once", vec![b' '; MESSAGE_BYTES_MAX + 1]).await.unwrap_err();
        assert!(matches!(long, ClientError::Status { status: 413, .. } | ClientError::Broken { .. }), "{long}");
        assert!(scripted.came.lock().unwrap().is_empty());
    }
}
