//! Money: integer minor units of a currency (ISO 4217), each amount with one spelling.
//!
//! ```text
//! {"amount":"1250","currency":"EUR"}      in statements and callbacks: minor units as a decimal string (exchange-and-disputes §4)
//! 12.50 EUR                               for people, by the currency's own number of decimals
//! ```
//!
//! Nothing here rounds, and nothing is a fraction: a share of an amount is cut by the largest remainder, so that the parts are the whole
//! to the cent. Out of scope: exchange rates. Two amounts of different currencies are never added.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The most minor units of an [`Amount`]: ten trillion euros. Eight thousand of the largest amounts still fit 63 bits, so a book that
/// counts in 128 bits cannot overflow.
pub const MINOR_MAX: u64 = 1_000_000_000_000_000;

/// The whole, in basis points.
pub const BPS_WHOLE: u16 = 10_000;

/// Active codes of ISO 4217 (List One as of amendment 180) by the decimals of their minor unit. What is withdrawn stays in this table, since
/// facts name it; a currency whose minor unit changes gets a new code from ISO in practice, so a line is added and none is changed.
const DECIMALS: [(u8, &str); 4] = [
    (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
    (
        2,
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY COP COU \
         CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES \
         KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR \
         NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP \
         TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG",
    ),
    (3, "BHD IQD JOD KWD LYD OMR TND"),
    (4, "CLF UYW"),
];

/// A currency with a minor unit, by its alphabetic code. Metals, funds' units, test codes and "no currency" have none ("N.A."), and are
/// refused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

impl Currency {
    /// The one with this code, in capitals.
    #[must_use]
    pub fn new(code: &str) -> Option<Self> {
        let code: [u8; 3] = code.as_bytes().try_into().ok()?;
        Self::from_octets(code)
    }

    /// The one with these three letters, as facts have them.
    #[must_use]
    pub fn from_octets(code: [u8; 3]) -> Option<Self> {
        decimals_of(code).map(|_| Self(code))
    }

    /// The three letters of the code.
    #[must_use]
    pub const fn octets(&self) -> &[u8; 3] {
        &self.0
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> &str {
        // Only codes of the table get here.
        std::str::from_utf8(&self.0).expect("codes are ASCII")
    }

    /// Decimals of the minor unit: 2 for the cent, 0 where there is none below the unit.
    #[must_use]
    pub fn decimals(&self) -> u8 {
        decimals_of(self.0).expect("only codes of the table become currencies")
    }
}

fn decimals_of(code: [u8; 3]) -> Option<u8> {
    let listed = |codes: &str| codes.split(' ').any(|listed| listed.as_bytes() == code);
    DECIMALS.iter().find(|(_, codes)| listed(codes)).map(|(decimals, _)| *decimals)
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Currency({self})")
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.code().to_owned()
    }
}

impl TryFrom<String> for Currency {
    type Error = MoneyFault;

    fn try_from(code: String) -> Result<Self, MoneyFault> {
        Self::new(&code).ok_or(MoneyFault::Currency)
    }
}

/// Why something is no amount of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyFault {
    /// No active code, or one without a minor unit.
    #[error("a currency is an active code of ISO 4217 that has a minor unit, such as EUR")]
    Currency,
    /// Not a number in its one spelling.
    #[error("an amount is a number of minor units in decimal digits, without a sign or a leading zero")]
    Spelling,
    /// More than [`MINOR_MAX`].
    #[error("an amount is at most {MINOR_MAX} minor units")]
    TooMuch,
    /// Less than nothing.
    #[error("an amount is never negative")]
    Negative,
    /// Two currencies.
    #[error("amounts of two currencies are not added")]
    OtherCurrency,
}

/// Minor units of a currency, 0 to [`MINOR_MAX`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Amount {
    minor: u64,
    currency: Currency,
}

impl Amount {
    /// So many minor units; `None` for more than [`MINOR_MAX`].
    #[must_use]
    pub const fn new(minor: u64, currency: Currency) -> Option<Self> {
        if minor <= MINOR_MAX { Some(Self { minor, currency }) } else { None }
    }

    /// Nothing.
    #[must_use]
    pub const fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }

    /// The minor units.
    #[must_use]
    pub const fn minor(&self) -> u64 {
        self.minor
    }

    /// The currency.
    #[must_use]
    pub const fn currency(&self) -> Currency {
        self.currency
    }

    /// True for nothing.
    #[must_use]
    pub const fn is_zero(&self) -> bool {
        self.minor == 0
    }

    /// Both together.
    ///
    /// # Errors
    /// [`MoneyFault::OtherCurrency`], [`MoneyFault::TooMuch`].
    pub fn plus(self, other: Self) -> Result<Self, MoneyFault> {
        self.same_currency(other)?;
        // Two amounts are below 2^51.
        Self::new(self.minor + other.minor, self.currency).ok_or(MoneyFault::TooMuch)
    }

    /// What is left.
    ///
    /// # Errors
    /// [`MoneyFault::OtherCurrency`], [`MoneyFault::Negative`].
    pub fn minus(self, other: Self) -> Result<Self, MoneyFault> {
        self.same_currency(other)?;
        let minor = self.minor.checked_sub(other.minor).ok_or(MoneyFault::Negative)?;
        Ok(Self { minor, ..self })
    }

    fn same_currency(self, other: Self) -> Result<(), MoneyFault> {
        if self.currency == other.currency { Ok(()) } else { Err(MoneyFault::OtherCurrency) }
    }

    /// One part for each share, which together are the whole: each share is rounded down, and the units that are left go to the shares that
    /// lost most by it, of equals to the first.
    #[must_use]
    pub fn split(self, shares: &Shares) -> Vec<Self> {
        let whole = u128::from(BPS_WHOLE);
        // Below 10^15 × 10^4.
        let exact = shares.0.iter().map(|bps| u128::from(self.minor) * u128::from(*bps));
        let (mut parts, lost): (Vec<_>, Vec<_>) = exact.map(|part| ((part / whole) as u64, part % whole)).unzip();
        let left = self.minor - parts.iter().sum::<u64>();
        let mut order: Vec<_> = (0..parts.len()).collect();
        order.sort_by_key(|place| (std::cmp::Reverse(lost[*place]), *place));
        // Fewer units are left than there are shares, since each lost less than one.
        for place in order.into_iter().take(left as usize) {
            parts[place] += 1;
        }
        parts.into_iter().map(|minor| Self { minor, ..self }).collect()
    }
}

/// `12.50 EUR`, `1250 JPY`.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = usize::from(self.currency.decimals());
        if decimals == 0 {
            return write!(f, "{} {}", self.minor, self.currency);
        }
        let unit = 10_u64.pow(decimals as u32);
        write!(f, "{}.{:0decimals$} {}", self.minor / unit, self.minor % unit, self.currency)
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Amount({self})")
    }
}

/// As it stands in JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    amount: String,
    currency: Currency,
}

impl From<Amount> for Written {
    fn from(amount: Amount) -> Self {
        Self { amount: amount.minor.to_string(), currency: amount.currency }
    }
}

impl TryFrom<Written> for Amount {
    type Error = MoneyFault;

    fn try_from(Written { amount, currency }: Written) -> Result<Self, MoneyFault> {
        let is_number = !amount.is_empty() && amount.bytes().all(|digit| digit.is_ascii_digit());
        if !is_number || amount.len() > 1 && amount.starts_with('0') {
            return Err(MoneyFault::Spelling);
        }
        // Digits that do not fit 64 bits are too many.
        let minor = u64::from_str(&amount).map_err(|_| MoneyFault::TooMuch)?;
        Self::new(minor, currency).ok_or(MoneyFault::TooMuch)
    }
}

/// Shares of a whole in basis points: together [`BPS_WHOLE`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shares(Vec<u16>);

impl Shares {
    /// `None` unless they sum to [`BPS_WHOLE`].
    #[must_use]
    pub fn new(bps: Vec<u16>) -> Option<Self> {
        let sum = bps.iter().try_fold(0_u16, |sum, bps| sum.checked_add(*bps))?;
        (sum == BPS_WHOLE).then_some(Self(bps))
    }

    /// So much in front, and the rest; `None` for more than the whole.
    #[must_use]
    pub fn first(bps: u16) -> Option<Self> {
        Some(Self(vec![bps, BPS_WHOLE.checked_sub(bps)?]))
    }
}

/// A payment rail's name in the settings: 1 to 16 characters of `a-z`, `0-9` and `-`. It names a system, never a person.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RailId(String);

impl RailId {
    /// The most characters that it has.
    pub const CHARS_MAX: usize = 16;

    /// `None` for anything else.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let listed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        ((1..=Self::CHARS_MAX).contains(&text.len()) && text.bytes().all(listed)).then(|| Self(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RailId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RailId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        Self::new(text).ok_or("a rail's name has 1 to 16 characters of a-z, 0-9 and -")
    }
}

impl From<RailId> for String {
    fn from(rail: RailId) -> Self {
        rail.0
    }
}

impl TryFrom<String> for RailId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn amount(minor: u64, code: &str) -> Amount {
        Amount::new(minor, Currency::new(code).unwrap()).unwrap()
    }

    #[test]
    fn currencies_are_those_with_a_minor_unit() {
        let all: Vec<_> = DECIMALS.iter().flat_map(|(_, codes)| codes.split(' ')).collect();
        assert_eq!(all.len(), all.iter().collect::<BTreeSet<_>>().len(), "one is listed twice");
        // 178 codes in List One, 13 of them without a minor unit.
        assert_eq!(all.len(), 165);
        for code in all {
            let currency = Currency::new(code).unwrap();
            assert_eq!((currency.code(), Currency::from_octets(*currency.octets())), (code, Some(currency)));
        }
        for (code, decimals) in [("EUR", 2), ("JPY", 0), ("ISK", 0), ("KWD", 3), ("CLF", 4), ("MRU", 2), ("HUF", 2)] {
            assert_eq!(Currency::new(code).unwrap().decimals(), decimals, "{code}");
        }
        let without = ["XAG", "XAU", "XBA", "XBB", "XBC", "XBD", "XDR", "XPD", "XPT", "XSU", "XTS", "XUA", "XXX"];
        for bad in without.into_iter().chain(["", "EU", "EURO", "eur", "Eur", "E R", "DEM", "EUR CHF", "€"]) {
            assert_eq!(Currency::new(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_amount_has_one_spelling() {
        let text = r#"{"amount":"1250","currency":"EUR"}"#;
        assert_eq!(serde_json::from_str::<Amount>(text).unwrap(), amount(1250, "EUR"));
        assert_eq!(serde_json::to_string(&amount(1250, "EUR")).unwrap(), text);
        let written =
            |number: &str| serde_json::from_str::<Amount>(&format!(r#"{{"amount":{number},"currency":"EUR"}}"#));
        assert_eq!(written("\"0\"").unwrap(), Amount::zero(Currency::new("EUR").unwrap()));
        assert_eq!(written("\"1000000000000000\"").unwrap().minor(), MINOR_MAX);
        for bad in [
            "\"\"",
            "\"-1\"",
            "\"+1\"",
            "\"01\"",
            "\"00\"",
            "\"1.0\"",
            "\"1e3\"",
            "\" 1\"",
            "\"1 \"",
            "\"0x1\"",
            "1250",
            "12.5",
            "null",
            "\"1000000000000001\"",
            "\"18446744073709551616\"",
            "\"٣\"",
        ] {
            assert!(written(bad).is_err(), "{bad}");
        }
        for bad in [
            r#"{"amount":"1","currency":"XAU"}"#,
            r#"{"amount":"1","currency":"eur"}"#,
            r#"{"amount":"1"}"#,
            r#"{"amount":"1","currency":"EUR","scale":2}"#,
        ] {
            assert!(serde_json::from_str::<Amount>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn people_see_decimals() {
        for (minor, code, shown) in [
            (1250, "EUR", "12.50 EUR"),
            (5, "EUR", "0.05 EUR"),
            (0, "EUR", "0.00 EUR"),
            (1250, "JPY", "1250 JPY"),
            (1250, "KWD", "1.250 KWD"),
            (1, "CLF", "0.0001 CLF"),
            (MINOR_MAX, "EUR", "10000000000000.00 EUR"),
        ] {
            assert_eq!(amount(minor, code).to_string(), shown);
        }
    }

    #[test]
    fn sums_stay_within_their_bounds() {
        let (one, most) = (amount(1, "EUR"), amount(MINOR_MAX, "EUR"));
        assert_eq!(one.plus(one), Ok(amount(2, "EUR")));
        assert_eq!(most.plus(one), Err(MoneyFault::TooMuch));
        assert_eq!(most.minus(most), Ok(Amount::zero(one.currency())));
        assert_eq!(one.minus(most), Err(MoneyFault::Negative));
        let other = amount(1, "CHF");
        assert_eq!(
            (one.plus(other), one.minus(other)),
            (Err(MoneyFault::OtherCurrency), Err(MoneyFault::OtherCurrency))
        );
        assert_eq!(Amount::new(MINOR_MAX + 1, one.currency()), None);
        assert_eq!(Amount::new(u64::MAX, one.currency()), None);
    }

    #[test]
    fn the_largest_remainder_gets_the_cent() {
        for (minor, bps, parts) in [
            (100, vec![5000, 5000], vec![50, 50]),
            (1, vec![5000, 5000], vec![1, 0]),
            (100, vec![3333, 3333, 3334], vec![33, 33, 34]),
            (10, vec![3333, 3333, 3334], vec![3, 3, 4]),
            (5, vec![1000, 9000], vec![1, 4]),
            (0, vec![2500, 7500], vec![0, 0]),
            (7, vec![0, 10_000], vec![0, 7]),
            (MINOR_MAX, vec![1, 9999], vec![100_000_000_000, 999_900_000_000_000]),
        ] {
            let shares = Shares::new(bps.clone()).unwrap();
            let found: Vec<_> = amount(minor, "EUR").split(&shares).iter().map(Amount::minor).collect();
            assert_eq!(found, parts, "{minor} {bps:?}");
        }
        for bad in [vec![], vec![9999], vec![10_001], vec![5000, 5001], vec![u16::MAX, u16::MAX]] {
            assert_eq!(Shares::new(bad.clone()), None, "{bad:?}");
        }
        assert_eq!(Shares::first(10_001), None);
        assert_eq!(Shares::first(250), Shares::new(vec![250, 9750]));
    }

    proptest! {
        #[test]
        fn parts_are_the_whole_and_none_is_off_by_a_unit(minor in 0..=MINOR_MAX, cuts in proptest::collection::vec(0..=BPS_WHOLE, 0..8)) {
            let mut cuts = cuts;
            cuts.extend([0, BPS_WHOLE]);
            cuts.sort_unstable();
            let bps: Vec<_> = cuts.windows(2).map(|pair| pair[1] - pair[0]).collect();
            let parts = amount(minor, "EUR").split(&Shares::new(bps.clone()).unwrap());
            prop_assert_eq!(parts.iter().map(Amount::minor).sum::<u64>(), minor);
            for (part, bps) in parts.iter().zip(bps) {
                let low = (u128::from(minor) * u128::from(bps) / 10_000) as u64;
                prop_assert!(part.minor() == low || part.minor() == low + 1);
            }
        }

        #[test]
        fn every_amount_is_read_as_it_was_written(minor in 0..=MINOR_MAX) {
            let text = serde_json::to_string(&amount(minor, "TND")).unwrap();
            prop_assert_eq!(serde_json::from_str::<Amount>(&text).unwrap(), amount(minor, "TND"));
        }
    }
}
