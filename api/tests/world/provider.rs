//! An outside payment provider on this machine: the simulator behind HTTP, and everything that goes wrong on the way.

use std::{
    collections::{BTreeMap, VecDeque},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use semper_api::TimeSource as _;
use semper_ttp::{
    b64u::{self, B64u32},
    digest::Digest,
    money::Amount,
    payment::{
        callback::sign,
        rail::{PaymentRail as _, RailAnswer},
        simulator::Simulator,
    },
    time::Timestamp,
};
use serde_json::{Value, json};

use super::{Now, rail_secret};

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Play {
    /// It is lost before it is read.
    Lost,
    /// It is done, and the connection breaks.
    Dropped,
    /// It is done, and no answer comes for as long as somebody waits.
    Slow,
    /// It is done, and the answer is signed by somebody else.
    Forged,
    /// It is done, and the answer is of an hour ago.
    Old,
    /// It is done, and the answer is about another call.
    Other,
    /// It is done, and the answer is longer than any.
    Endless,
    /// A proxy says no.
    Refused,
    /// Nothing is known yet.
    Accepted,
}

/// The provider.
pub(crate) struct Provider {
    pub(crate) url: String,
    plays: Arc<Mutex<VecDeque<Play>>>,
    /// Every request that was read: its type, and its idempotency key.
    pub(crate) asked: Arc<Mutex<Vec<(String, String)>>>,
}

struct Inside {
    rail: Arc<Simulator>,
    now: Arc<Now>,
    plays: Arc<Mutex<VecDeque<Play>>>,
    asked: Arc<Mutex<Vec<(String, String)>>>,
    /// The run of each call.
    runs: BTreeMap<String, Value>,
}

impl Provider {
    pub(crate) fn start(rail: Arc<Simulator>, now: Arc<Now>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/semper", listener.local_addr().unwrap());
        let (plays, asked) = (Arc::<Mutex<VecDeque<Play>>>::default(), Arc::<Mutex<Vec<_>>>::default());
        let mut inside = Inside { rail, now, plays: plays.clone(), asked: asked.clone(), runs: BTreeMap::new() };
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Whoever hangs up in between has asked for it.
                let _ = inside.serve(stream);
            }
        });
        Self { url, plays, asked }
    }

    /// This happens to the next requests, in this order.
    pub(crate) fn play(&self, plays: &[Play]) {
        self.plays.lock().unwrap().extend(plays);
    }
}

fn digest(value: &Value) -> Digest {
    Digest(value.as_str().unwrap().parse::<B64u32>().unwrap().0)
}

/// Says that the connection ends with it: a client that kept it would ask again on one that is gone, and hear nothing.
fn nothing(mut stream: TcpStream, status: &str) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
}

impl Inside {
    fn serve(&mut self, mut stream: TcpStream) -> std::io::Result<()> {
        let play = self.plays.lock().unwrap().pop_front();
        if play == Some(Play::Lost) {
            return Ok(());
        }
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut headers = BTreeMap::new();
        let mut line = String::new();
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                if line.trim_end().is_empty() {
                    break;
                }
                assert!(line.starts_with("POST /semper "), "{line}");
                continue;
            };
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        // A connection that was given up before anything was asked.
        let Some(length) = headers.get("content-length") else { return Ok(()) };
        let mut body = vec![0; length.parse().unwrap()];
        reader.read_exact(&mut body)?;
        // As any provider does: signed by the secret, at about this time.
        let (id, now) = (headers["webhook-id"].clone(), self.now.now());
        assert_eq!(headers["webhook-timestamp"], now.secs().to_string());
        let expected = sign(&rail_secret(), &id, Timestamp::from_secs(now.secs()), &body).unwrap();
        assert_eq!(headers["webhook-signature"], expected);
        let request: Value = serde_json::from_slice(&body).unwrap();
        let kind = request["type"].as_str().unwrap().to_owned();
        let key = request["data"]["key"].as_str().unwrap().to_owned();
        assert_eq!(headers["idempotency-key"], key);
        self.asked.lock().unwrap().push((kind.clone(), key.clone()));
        match play {
            Some(Play::Refused) => return nothing(stream, "403 Forbidden"),
            Some(Play::Accepted) => return nothing(stream, "202 Accepted"),
            _ => {}
        }
        let answer = self.done(&kind, &request["data"]);
        let data = match &answer {
            RailAnswer::Unknown => return nothing(stream, "202 Accepted"),
            RailAnswer::Declined(code) => json!({ "result": "declined", "code": code.name() }),
            RailAnswer::Done(done) => json!({
                "result": "done", "amount": done.amount, "expires_at": done.expires_at,
                "evidence": b64u::encode(done.evidence.octets()),
            }),
            RailAnswer::Ended(ended) => json!({
                "result": "ended", "amount": ended.amount, "evidence": b64u::encode(ended.evidence.octets()),
            }),
        };
        let mut data = data;
        data["x"] = self.runs.get(&key).cloned().unwrap_or(json!(b64u::encode(&[0; 32])));
        data["key"] = json!(if play == Some(Play::Other) { b64u::encode(&[7; 32]) } else { key });
        let at = if play == Some(Play::Old) { now.secs() - 3_600 } else { now.secs() };
        let at = Timestamp::from_secs(at);
        let body = json!({ "type": "payment.outcome", "timestamp": at.to_string(), "data": data }).to_string();
        let other = || semper_ttp::payment::callback::Secret::parse("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").unwrap();
        let secret = if play == Some(Play::Forged) { other() } else { rail_secret() };
        let signature = sign(&secret, &id, at, body.as_bytes()).unwrap();
        match play {
            Some(Play::Dropped) => return Ok(()),
            Some(Play::Slow) => {
                // Until the other side has given up.
                let _ = reader.read(&mut [0]);
                return Ok(());
            }
            _ => {}
        }
        let more = if play == Some(Play::Endless) { " ".repeat(1 << 20) } else { String::new() };
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\nwebhook-id: {id}\r\nwebhook-timestamp: {}\r\n\
             webhook-signature: {signature}\r\n\r\n{body}{more}",
            body.len() + more.len(),
            at.secs(),
        )
    }

    fn done(&mut self, kind: &str, data: &Value) -> RailAnswer {
        let key = digest(&data["key"]);
        if kind == "payment.status" {
            return self.rail.status(&key);
        }
        let amount = || serde_json::from_value::<Amount>(data["amount"].clone()).unwrap();
        let name = data["key"].as_str().unwrap().to_owned();
        let run = match data["on"].as_str() {
            None => data["x"].clone(),
            Some(on) => self.runs[on].clone(),
        };
        self.runs.insert(name, run);
        match data["op"].as_str().unwrap() {
            "hold" => {
                let until = Timestamp::from_rfc3339(data["until"].as_str().unwrap()).unwrap();
                self.rail.hold(&key, &digest(&data["x"]), amount(), until)
            }
            "capture" => self.rail.capture(&key, &digest(&data["on"]), amount()),
            "release" => self.rail.release(&key, &digest(&data["on"])),
            other => panic!("{other}"),
        }
    }
}
