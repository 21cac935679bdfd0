//! The policies by which this service decides: what its operator gave it at the start, brought into force by an entry each before
//! anything is decided by them.
//!
//! What is in force is read from the ledger and served from there; what was once in force is served for ever, by its digest.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use semper_ledger::entry::Entry;
use semper_ledger::reader::Reader;
use semper_ledger::sequencer::{Commit, Refused};
use semper_ledger::store::Fault;
use semper_ttp::ca::profile::{Profile, ProfileCode, builtin};
use semper_ttp::digest::Digest;
use semper_ttp::evidence::{Aggregate, Fact, Kind, OpsFact, OpsKind, Recorded, names};
use semper_ttp::exchange::policy::ExchangePolicy;
use semper_ttp::policy::roles::{RolesFault, TrustedRoles};
use semper_ttp::policy::{Policy, PolicyName, WITHDRAWN};
use semper_ttp::time::Timestamp;
use semper_ttp::validation::Rules;

use super::{Service, ServiceFault, act::ATTEMPTS_MAX, draft};

/// The profile of the certificate of the HTTPS listener.
pub(super) const LISTENER_PROFILE: &str = "service-tls";

/// How long recording waits for the clock before it is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What the operator wants to be in force.
#[derive(Debug, Default)]
pub struct Policies {
    documents: BTreeMap<PolicyName, Policy>,
    profiles: BTreeMap<String, Arc<Profile>>,
    roles: TrustedRoles,
    validation: Arc<Rules>,
    exchange: Option<ExchangePolicy>,
}

impl Policies {
    /// The profiles that come with the program, as all of a service without settings has them.
    #[must_use]
    pub fn builtin() -> Self {
        let mut policies = Self::default();
        builtin().iter().for_each(|profile| policies.set_profile(profile.clone()));
        policies
    }

    /// Puts a profile in the place of the one of its name.
    pub fn set_profile(&mut self, profile: Arc<Profile>) {
        self.set(Policy::of_profile(&profile));
        self.profiles.insert(profile.name().to_owned(), profile);
    }

    /// The settings that decisions depend on.
    pub fn set_settings(&mut self, bytes: Vec<u8>) {
        self.set(Policy { name: PolicyName::Settings, bytes });
    }

    /// The terms that applicants accept.
    pub fn set_terms(&mut self, bytes: Vec<u8>) {
        self.set(Policy { name: PolicyName::Terms, bytes });
    }

    /// By what signatures are judged.
    pub fn set_validation(&mut self, rules: Rules) {
        self.set(Policy { name: PolicyName::Validation, bytes: rules.document().to_vec() });
        self.validation = Arc::new(rules);
    }

    /// By what the arbiter decides.
    pub fn set_exchange(&mut self, policy: ExchangePolicy) {
        self.set(Policy { name: PolicyName::Exchange, bytes: policy.to_bytes() });
        self.exchange = Some(policy);
    }

    /// Who holds which trusted role.
    ///
    /// # Errors
    /// The file does not say it.
    pub fn set_roles(&mut self, bytes: Vec<u8>) -> Result<(), RolesFault> {
        self.roles = TrustedRoles::parse(&bytes)?;
        self.set(Policy { name: PolicyName::Roles, bytes });
        Ok(())
    }

    fn set(&mut self, policy: Policy) {
        self.documents.insert(policy.name.clone(), policy);
    }

    /// Each of them, by name.
    pub fn all(&self) -> impl Iterator<Item = &Policy> {
        self.documents.values()
    }

    /// Every profile, by name.
    pub fn profiles(&self) -> impl Iterator<Item = &Arc<Profile>> {
        self.profiles.values()
    }

    /// Those that somebody may apply for: keys of the service's own are certified otherwise, that of its listener too.
    pub fn applied_for(&self) -> impl Iterator<Item = &Arc<Profile>> {
        let others = self.profiles().filter(|profile| profile.name() != LISTENER_PROFILE);
        others.filter(|profile| match profile.code() {
            ProfileCode::Party
            | ProfileCode::Server
            | ProfileCode::Client
            | ProfileCode::Officer
            | ProfileCode::Operator => true,
            ProfileCode::Root
            | ProfileCode::IssuingCa
            | ProfileCode::Tsu
            | ProfileCode::OcspResponder
            | ProfileCode::Role
            | ProfileCode::Imported => false,
        })
    }

    /// The profile of this name.
    #[must_use]
    pub fn profile(&self, name: &str) -> Option<&Arc<Profile>> {
        self.profiles.get(name)
    }

    /// The terms, if there are any.
    #[must_use]
    pub fn terms(&self) -> Option<&[u8]> {
        self.documents.get(&PolicyName::Terms).map(|policy| &policy.bytes[..])
    }

    /// By what signatures are judged: the built-in policy, unless something else was set.
    #[must_use]
    pub const fn validation(&self) -> &Arc<Rules> {
        &self.validation
    }

    /// By what the arbiter decides, with the digest of the document.
    #[must_use]
    pub fn exchange(&self) -> Option<(Digest, &ExchangePolicy)> {
        let digest = self.documents.get(&PolicyName::Exchange).map(Policy::digest)?;
        self.exchange.as_ref().map(|policy| (digest, policy))
    }

    /// Who holds which trusted role.
    #[must_use]
    pub const fn roles(&self) -> &TrustedRoles {
        &self.roles
    }
}

/// A policy that is in force, by the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyInForce {
    /// Under this name.
    pub name: PolicyName,
    /// SHA-256 of its document.
    pub digest: Digest,
    /// Since then.
    pub since: Timestamp,
    /// The entry that says so.
    pub index: u64,
}

/// What a history ends in.
struct Newest {
    seq: u64,
    index: u64,
    digest: Digest,
    time_ms: u64,
}

/// The newest of each history of a policy.
fn histories(reader: &Reader) -> Result<BTreeMap<Aggregate, Newest>, ServiceFault> {
    let mut found = BTreeMap::new();
    reader.names::<Fault>(&names::POLICIES, |name, index| {
        found.extend(names::read_policy(name).map(|(history, seq)| (history, (seq, index))));
        Ok(ControlFlow::Continue(()))
    })?;
    let newest = found.into_iter().map(|(history, (seq, index))| {
        let bytes = reader.entry(index)?.unwrap_or_default();
        let entry = Entry::decode(&bytes).map_err(|fault| ServiceFault::Facts(fault.to_string()))?;
        Ok((history, Newest { seq, index, digest: Digest(entry.digest), time_ms: entry.time_ms }))
    });
    newest.collect()
}

impl Service {
    /// Brings the policies into force that the ledger does not know as such, and takes those back that are no longer there: one
    /// commit. Blocks on the disk. Nothing is decided before this has succeeded once.
    ///
    /// # Errors
    /// The clock is in doubt, or the ledger takes nothing.
    pub fn record_policies(&self) -> Result<(), ServiceFault> {
        let mut attempts = 0;
        loop {
            let known = histories(self.reader())?;
            let changed: Vec<_> = self.changed_policies(&known).collect();
            if changed.is_empty() {
                self.policies_are_in_force();
                return Ok(());
            }
            let now = self.ledger_now()?;
            let drafts = changed.iter().map(|(history, seq, document)| {
                let envelope = self.envelope(*history, *seq, now, document)?;
                let fact = OpsFact::PolicyChanged { policy: Digest::of(document) };
                Ok(draft(&fact.into_fact(&envelope), Some(document.to_vec())))
            });
            let drafts = drafts.collect::<Result<Vec<_>, ServiceFault>>()?;
            let commit = Commit { idempotency: None, now_ms: now.millis(), drafts, rows: Vec::new() };
            match self.ledger.append(commit) {
                Ok(_) => tracing::info!(changed = changed.len(), "policies came into force"),
                Err(Refused::Stale { .. }) if attempts < ATTEMPTS_MAX => attempts += 1,
                Err(refused) => return Err(refused.into()),
            }
        }
    }

    /// The same, until the time lets it: while the clock is in doubt nothing is decided anyway.
    pub async fn keep_recording_policies(self: Arc<Self>) {
        loop {
            tokio::time::sleep(RETRY).await;
            let service = self.clone();
            match tokio::task::spawn_blocking(move || service.record_policies()).await {
                Ok(Err(fault)) if fault.is_of_time() => {}
                Ok(Err(fault)) => tracing::error!(%fault, "the policies of this start are not in the ledger"),
                Ok(Ok(())) => {
                    // What was decided by none of them until now: responders' certificates.
                    self.keys_due.notify_one();
                    return;
                }
                Err(_) => {} // it panicked, which was printed
            }
        }
    }

    /// History, next step and document of each change.
    fn changed_policies<'a>(
        &'a self,
        known: &'a BTreeMap<Aggregate, Newest>,
    ) -> impl Iterator<Item = (Aggregate, u64, &'a [u8])> {
        let wanted: BTreeMap<_, _> =
            self.policies.all().map(|policy| (policy.name.aggregate(), &policy.bytes[..])).collect();
        let gone = known.keys().filter(|history| !wanted.contains_key(history)).map(|history| (*history, WITHDRAWN));
        let all: Vec<_> = gone.chain(wanted.iter().map(|(history, bytes)| (*history, *bytes))).collect();
        all.into_iter().filter_map(|(history, document)| match known.get(&history) {
            Some(newest) if newest.digest == Digest::of(document) => None,
            newest => Some((history, newest.map_or(0, |newest| newest.seq + 1), document)),
        })
    }

    /// What is in force by the ledger, in the order of names.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn policies_in_force(&self) -> Result<Vec<PolicyInForce>, ServiceFault> {
        let withdrawn = Digest::of(WITHDRAWN);
        let mut found = Vec::new();
        for (history, Newest { index, digest, time_ms, .. }) in histories(self.reader())? {
            if digest == withdrawn {
                continue;
            }
            let document = self.reader().artefact(index)?.unwrap_or_default();
            // A later program may know names that this one does not.
            let Some(name) = PolicyName::of(history, &document) else { continue };
            found.push(PolicyInForce { name, digest, since: Timestamp::from_millis(time_ms), index });
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// The policy whose document has this digest, if it is or ever was in force here.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn policy_document(&self, digest: &Digest) -> Result<Option<Policy>, ServiceFault> {
        let Some(index) = self.reader().find_digest(&digest.0)? else { return Ok(None) };
        let Some(fact) = self.reader().fact(index)? else { return Ok(None) };
        let fact = Fact::decode(&fact).map_err(|fault| ServiceFault::Facts(fault.to_string()))?;
        if fact.kind != Kind::Ops(OpsKind::PolicyChanged) {
            return Ok(None);
        }
        let Some(bytes) = self.reader().artefact(index)? else { return Ok(None) };
        // What takes a policy back is the document of none.
        Ok(PolicyName::of(fact.aggregate, &bytes).filter(|_| bytes != WITHDRAWN).map(|name| Policy { name, bytes }))
    }

    /// The policies that the operator gave.
    #[must_use]
    pub const fn policies(&self) -> &Policies {
        &self.policies
    }

    /// The profile with this digest, in force or not: what was asked for under a profile is decided under it.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn profile(&self, digest: &Digest) -> Result<Option<Arc<Profile>>, ServiceFault> {
        if let Some(profile) = self.policies.profiles().find(|profile| profile.digest() == *digest) {
            return Ok(Some(profile.clone()));
        }
        let text = self.policy_document(digest)?.and_then(|policy| String::from_utf8(policy.bytes).ok());
        Ok(text.and_then(|text| Profile::parse(&text).ok()).map(Arc::new))
    }

    /// The policy for exchanges with this digest, in force or not: a run is decided by the one that its sides have named.
    pub(super) fn exchange_policy(&self, digest: &Digest) -> Result<Option<ExchangePolicy>, ServiceFault> {
        let current = self.policies.documents.get(&PolicyName::Exchange).filter(|policy| policy.digest() == *digest);
        if current.is_some() {
            return Ok(self.policies.exchange.clone());
        }
        let known = self.policy_document(digest)?.filter(|policy| policy.name == PolicyName::Exchange);
        Ok(known.and_then(|policy| ExchangePolicy::parse(&policy.bytes).ok()))
    }

    /// The name of the profile with this digest.
    pub(crate) fn profile_name(&self, digest: &Digest) -> Option<String> {
        // For showing it: what does not read is not known.
        self.profile(digest).ok().flatten().map(|profile| profile.name().to_owned())
    }
}
