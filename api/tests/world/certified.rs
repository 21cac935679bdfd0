//! A service with certificates, asked by all that its clients ask it with.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use axum::{body::Body, extract::Request};
use http::{StatusCode, header};
use http_body_util::BodyExt;
use semper_api::{
    CredentialFault, IssuedCertificate, Service, TimeSource, ToIssue, ToRevoke,
    router::{App, BodyLimits, plain},
    server::{Peer, RequestId},
};
use semper_ledger::store::memory::MemoryStore;
use semper_ttp::{
    asn1::der,
    ca::{
        Authority, CaId,
        crl::Reason,
        ocsp::{
            HashAlgorithm, IssuerHashes,
            response::{BasicResponse, ReadResponse, ReadStatus, read},
        },
    },
    crypto::{PublicKey, Purpose, Verifier, verify_chain, verify_crl},
    digest::Digest,
};
use tower::ServiceExt;

use super::{Disk, Now, Pki, wanted};

pub(crate) const CA: CaId = CaId::first(Authority::Party);

pub(crate) struct World {
    pub(crate) disk: Disk,
    pub(crate) now: Arc<Now>,
    pub(crate) pki: Pki,
    pub(crate) service: Arc<Service>,
}

impl World {
    pub(crate) fn new(shards: u32) -> Self {
        let (disk, now, pki) = (Disk::new(), Arc::new(Now::new()), Pki::new());
        let service = pki.service(&disk, &now, shards);
        service.renew_crls().unwrap();
        service.renew_responders().unwrap();
        Self { disk, now, pki, service }
    }

    pub(crate) fn issue(&self) -> IssuedCertificate {
        self.service.issue(&wanted("party-legal")).unwrap()
    }

    pub(crate) fn revoke(&self, serial: &[u8], reason: Reason) -> Result<u64, CredentialFault> {
        self.revoke_by(CA, serial, reason)
    }

    pub(crate) fn revoke_by(&self, ca: CaId, serial: &[u8], reason: Reason) -> Result<u64, CredentialFault> {
        let (serial, officer) = (serial.to_vec(), Digest::of(b"officer"));
        self.service.revoke(&ToRevoke { ca, serial, reason, officer, idempotency: None })
    }

    pub(crate) fn restart(self, shards: u32) -> Self {
        let Self { disk, now, pki, service } = self;
        drop(service);
        let service = pki.service(&disk, &now, shards);
        service.renew_responders().unwrap();
        Self { disk, now, pki, service }
    }

    /// Its machine is lost; the backup is completed from what the log showed, and started.
    pub(crate) fn completed(self, backup: MemoryStore) -> Self {
        let Self { disk, now, pki, service } = self;
        let disk = disk.completed(backup, service.reader());
        drop(service);
        let service = pki.service(&disk, &now, 0);
        service.renew_responders().unwrap();
        Self { disk, now, pki, service }
    }

    /// With a CA whose own certificate is in the ledger, by the root.
    pub(crate) fn with_logged_ca() -> Self {
        let (disk, now, mut pki) = (Disk::new(), Arc::new(Now::new()), Pki::new());
        let ca = CaId::first(Authority::Root);
        let wanted = ToIssue { ca, spki_der: pki.ca.spki_der(), ..wanted("issuing-ca") };
        let service = pki.service(&disk, &now, 0);
        pki.ca = service.issue(&wanted).unwrap().certificate;
        Self { disk, now, pki, service }.restart(0)
    }

    pub(crate) async fn ask(&self, request: Request) -> (StatusCode, http::HeaderMap, Vec<u8>) {
        let limits = BodyLimits { body_bytes_max: 1 << 16, body_read_timeout: Duration::from_secs(10) };
        let app = Arc::new(App { service: self.service.clone(), limits });
        let mut request = request;
        request.extensions_mut().insert((Peer(IpAddr::V4(Ipv4Addr::LOCALHOST)), RequestId(1)));
        let response = plain(app).oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        (head.status, head.headers, body.collect().await.unwrap().to_bytes().to_vec())
    }

    /// OCSP by POST, with or without a nonce: the one answer, verified.
    pub(crate) async fn status(&self, serial: &[u8], hash: HashAlgorithm, nonce: Option<&[u8]>) -> ReadStatus {
        let request = Request::post("/ocsp").header(header::CONTENT_TYPE, "application/ocsp-request");
        let request = request.body(Body::from(self.request(serial, hash, nonce))).unwrap();
        let (status, headers, body) = self.ask(request).await;
        assert_eq!((status, &headers[header::CACHE_CONTROL]), (StatusCode::OK, &"no-store".parse().unwrap()));
        let response = self.verified(&body);
        assert_eq!(response.nonce.is_some(), nonce.is_some());
        response.singles[0].status
    }

    pub(crate) fn request(&self, serial: &[u8], hash: HashAlgorithm, nonce: Option<&[u8]>) -> Vec<u8> {
        let id = IssuerHashes::of(&self.pki.ca).cert_id(hash, serial).unwrap();
        let list = der::sequence(&[&der::sequence(&[id.der()])]);
        let extensions = nonce.map_or(Vec::new(), |nonce| {
            let value = der::tlv(der::OCTET_STRING, &der::tlv(der::OCTET_STRING, nonce));
            let id = [6, 9, 0x2B, 6, 1, 5, 5, 7, 0x30, 1, 2];
            der::tlv(0xA2, &der::sequence(&[&der::sequence(&[&id, &value])]))
        });
        der::sequence(&[&der::sequence(&[&list, &extensions])])
    }

    pub(crate) fn verified(&self, body: &[u8]) -> BasicResponse {
        let ReadResponse::Basic(response) = read(body).unwrap() else { panic!("an error: {body:02x?}") };
        let responder = &response.certificates[0];
        let chain = [self.pki.ca.der().to_vec()];
        let now = self.now.now();
        verify_chain(responder.der(), &chain, self.pki.root.der(), now, Purpose::Any).expect("by the CA");
        let by_responder = PublicKey::from_spki_der(&responder.spki_der()).unwrap();
        assert!(by_responder.verify(&response.tbs_der, &response.signature));
        *response
    }

    pub(crate) async fn list(&self, place: &str) -> Vec<u8> {
        let (status, _, body) = self.ask(Request::get(format!("/crl/{place}.crl")).body(Body::empty()).unwrap()).await;
        assert_eq!(status, StatusCode::OK, "{place}");
        verify_crl(&body, self.pki.ca.der()).unwrap();
        body
    }
}

/// Whether a list names this serial number: 16 random octets stand nowhere else.
pub(crate) fn names(list: &[u8], serial: &[u8]) -> bool {
    list.windows(serial.len()).any(|window| window == serial)
}
