//! Which policies hold for a whole path (RFC 5280 §6.1.2 to 6.1.5, its tree as the graph of RFC 9618 §5).
