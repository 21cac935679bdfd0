//! CRLs of several CAs: each is renewed for itself, and one past its end is said.

mod world;

use std::sync::Arc;

use semper_api::{Authorities, TimeSource, service::ServiceFault};
use semper_ttp::ca::Authority;
use world::{DAY_SECS, Disk, Now, authority, service};

#[test]
fn a_ca_that_fails_does_not_stop_the_next_and_a_stale_crl_is_said() {
    let now = Arc::new(Now::new());
    // A list that would be good for no time at all is refused: this CA fails each time.
    let authorities = vec![authority(Authority::Root, 0), authority(Authority::Tsu, 2 * DAY_SECS)];
    let service = service(&Disk::new(), &now, Authorities::new(authorities), Vec::new());
    let (root, tsu) = (Authority::Root.name(), Authority::Tsu.name());
    let root_has_none = format!("crl: {root} has none");
    assert_eq!(service.unready(), [root_has_none.clone(), format!("crl: {tsu} has none")]);

    for days in [3, 30] {
        assert!(matches!(service.renew_crls(), Err(ServiceFault::Crl(_))));
        assert_eq!(service.unready(), [root_has_none.as_str()], "the CA behind the failing one has its list");
        let good_until = TimeSource::now(&*now).plus_secs((2 * DAY_SECS).into());
        now.pass(days * DAY_SECS);
        let stale = format!("crl: the newest of {tsu} was good until {good_until}");
        assert_eq!(service.unready(), [root_has_none.clone(), stale]);
    }
}
