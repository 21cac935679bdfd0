//! The store on RocksDB: the one file that names it.
//!
//! Durability: the write-ahead log is on and every commit is synced. Recovery is *point in time*: replay stops before a
//! torn group, since an ordinary power cut may leave a page missing in the middle of the last, unsynced group; whether an
//! answered group were lost that way is the anchor's business to notice.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType,
    DBRecoveryMode, Direction as RocksDirection, InfoLogger, IteratorMode, LogLevel, Options, ReadOptions, Snapshot,
    WriteBatch, WriteOptions, checkpoint::Checkpoint,
};

use super::{Batch, Direction, Fault, KeyAndRow, Read, Store, Table, Visit};

/// What RocksDB may use.
#[derive(Clone, Copy, Debug)]
pub struct RocksSettings {
    /// Cache of blocks, indexes and filters, in bytes; the bound of what reading costs in memory.
    pub block_cache_bytes: usize,
    /// All memtables together, in bytes.
    pub write_buffer_bytes: usize,
}

impl Default for RocksSettings {
    fn default() -> Self {
        Self { block_cache_bytes: 128 << 20, write_buffer_bytes: 128 << 20 }
    }
}

/// Why a store does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Nothing is there.
    #[error("there is no store in {0}")]
    Missing(PathBuf),
    /// Another process has it.
    #[error("the store in {0} is open in another process")]
    Locked(PathBuf),
    /// Written by a program that has more tables.
    #[error("the store in {path} has tables that this program does not know ({tables}): use a newer semper")]
    UnknownTables {
        /// Where.
        path: PathBuf,
        /// Their names.
        tables: String,
    },
    /// A table is gone.
    #[error("the store in {path} has lost tables ({tables}); restore a backup")]
    LostTables {
        /// Where.
        path: PathBuf,
        /// Their names.
        tables: String,
    },
    /// Anything else that RocksDB says.
    #[error("the store in {path} does not open: {message}")]
    Failed {
        /// Where.
        path: PathBuf,
        /// RocksDB's words.
        message: String,
    },
}

/// A store in a folder.
pub struct RocksStore {
    db: DB,
    sync: WriteOptions,
}

impl RocksStore {
    /// Makes an empty store; the folder must not hold one.
    pub fn create(path: &Path, settings: &RocksSettings) -> Result<Self, OpenError> {
        let mut options = database(settings);
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_error_if_exists(true);
        Self::open_with(path, options, settings)
    }

    /// Opens the store in `path`. All tables must be there: one that is lost is not made anew, since it had rows.
    pub fn open(path: &Path, settings: &RocksSettings) -> Result<Self, OpenError> {
        let mut options = database(settings);
        check_tables(path, &options)?;
        options.create_missing_column_families(true);
        Self::open_with(path, options, settings)
    }

    /// Opens the store in `path` without changing a byte of it: for `fsck`, which must not turn the evidence of a fault
    /// into something else, and for judging a store before it is opened. The log is replayed into memory;
    /// [`Store::commit`] fails. Takes no lock: whoever reads must hold the anchor's.
    pub fn open_read_only(path: &Path, settings: &RocksSettings) -> Result<Self, OpenError> {
        let options = database(settings);
        let there = check_tables(path, &options)?;
        let there = tables(settings).into_iter().filter(|table| there.iter().any(|one| one.name() == table.name()));
        let db = DB::open_cf_descriptors_read_only(&options, path, there, false);
        Ok(Self { db: db.map_err(|error| failed(path, &error))?, sync: WriteOptions::default() })
    }

    /// What RocksDB says when it is asked to read the write-ahead log to its last byte: `None` for a whole log, else its
    /// words, which name the file. [`RocksStore::open_read_only`] stops in silence where the log does, since a power cut
    /// may tear its end; whether an answered entry was lost that way, the anchor says.
    pub fn log_damage(path: &Path, settings: &RocksSettings) -> Option<String> {
        let mut options = database(settings);
        options.set_wal_recovery_mode(DBRecoveryMode::AbsoluteConsistency);
        let said = Arc::new(Mutex::new(Vec::new()));
        let hear = said.clone();
        options.set_info_logger(InfoLogger::new_callback_logger(LogLevel::Warn, move |_, line| {
            hear.lock().expect("no panic holds this lock").push(line.trim().to_owned());
        }));
        let there = check_tables(path, &options).ok()?;
        let there = tables(settings).into_iter().filter(|table| there.iter().any(|one| one.name() == table.name()));
        let error = DB::open_cf_descriptors_read_only(&options, path, there, false).err()?;
        // The error has no place; what was told on the way names the file and how many bytes are not read.
        let said = said.lock().expect("no panic holds this lock");
        let told: Vec<_> =
            said.iter().filter(|line| line.contains(": dropping ")).map(|line| after_source(line)).collect();
        Some(if told.is_empty() { error.to_string() } else { told.join("; ") })
    }

    fn open_with(path: &Path, options: Options, settings: &RocksSettings) -> Result<Self, OpenError> {
        let db = DB::open_cf_descriptors(&options, path, tables(settings)).map_err(|error| failed(path, &error))?;
        let mut sync = WriteOptions::default();
        sync.set_sync(true);
        Ok(Self { db, sync })
    }

    /// `None` only for a table that came later than the store, opened for reading.
    fn table(&self, table: Table) -> Option<&ColumnFamily> {
        self.db.cf_handle(table.name())
    }

    /// Makes a copy of the store as it is at this moment in `path`, which must not exist and must lie on the same file
    /// system: table files, which never change, are linked, so it costs a flush of what lies in memory and no copying.
    /// Commits go on meanwhile. The copy opens like any store, and keeps the space of its files for as long as it is there.
    ///
    /// # Errors
    /// The disk.
    pub fn checkpoint(&self, path: &Path) -> Result<(), Fault> {
        Checkpoint::new(&self.db).and_then(|checkpoint| checkpoint.create_checkpoint(path)).map_err(storage)
    }

    /// Bytes on disk of all tables, by RocksDB's own count.
    pub fn disk_bytes(&self) -> u64 {
        let tables = Table::ALL.into_iter().filter_map(|table| self.table(table));
        let bytes = |table| self.db.property_int_value_cf(table, "rocksdb.total-sst-files-size");
        tables.filter_map(|table| bytes(table).ok().flatten()).sum()
    }

    /// Merges all levels of every table: what a long quiet night would do.
    pub fn compact(&self) {
        for table in Table::ALL.into_iter().filter_map(|table| self.table(table)) {
            self.db.compact_range_cf(table, None::<&[u8]>, None::<&[u8]>);
        }
    }
}

/// The store is there and has exactly the tables that this program knows; gives those that it has.
fn check_tables(path: &Path, options: &Options) -> Result<Vec<Table>, OpenError> {
    if !path.join("CURRENT").exists() {
        return Err(OpenError::Missing(path.to_owned()));
    }
    let found = DB::list_cf(options, path).map_err(|error| failed(path, &error))?;
    let known = Table::ALL.map(Table::name);
    let unknown: Vec<_> =
        found.iter().map(String::as_str).filter(|name| *name != "default" && !known.contains(name)).collect();
    if !unknown.is_empty() {
        return Err(OpenError::UnknownTables { path: path.to_owned(), tables: unknown.join(", ") });
    }
    let is_there = |table: Table| found.iter().any(|found| found == table.name());
    let lost = Table::ALL.into_iter().filter(|table| !is_there(*table));
    // Of one that came later fsck finds what is missing in it.
    let lost: Vec<_> = lost.filter(|table| !Table::LATER.contains(table)).map(Table::name).collect();
    if !lost.is_empty() {
        return Err(OpenError::LostTables { path: path.to_owned(), tables: lost.join(", ") });
    }
    Ok(Table::ALL.into_iter().filter(|table| is_there(*table)).collect())
}

/// A line of RocksDB's log without the place in its source that it begins with.
fn after_source(line: &str) -> &str {
    line.strip_prefix('[').and_then(|line| line.split_once("] ")).map_or(line, |(_, words)| words)
}

fn failed(path: &Path, error: &rocksdb::Error) -> OpenError {
    let message = error.to_string();
    // RocksDB has no code of its own for a held lock.
    if message.contains("lock hold by current process") || message.contains("While lock file") {
        OpenError::Locked(path.to_owned())
    } else {
        OpenError::Failed { path: path.to_owned(), message }
    }
}

fn storage(error: rocksdb::Error) -> Fault {
    Fault::Storage(error.to_string())
}

fn database(settings: &RocksSettings) -> Options {
    let mut options = Options::default();
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_paranoid_checks(true);
    options.set_db_write_buffer_size(settings.write_buffer_bytes);
    // All tables share one log; it is cut back once the oldest memtable is this far behind.
    options.set_max_total_wal_size(2 * settings.write_buffer_bytes as u64);
    options.set_max_open_files(512);
    options.set_max_background_jobs(2);
    options.set_bytes_per_sync(1 << 20); // no long stall when a compaction ends
    options.set_keep_log_file_num(4);
    options.set_max_log_file_size(4 << 20);
    options.set_log_level(LogLevel::Warn);
    options.set_stats_dump_period_sec(0);
    options
}

fn tables(settings: &RocksSettings) -> [ColumnFamilyDescriptor; Table::ALL.len()] {
    let cache = Cache::new_lru_cache(settings.block_cache_bytes);
    Table::ALL.map(|table| ColumnFamilyDescriptor::new(table.name(), table_options(table, &cache)))
}

fn table_options(table: Table, cache: &Cache) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    blocks.set_format_version(5);
    // Indexes in pieces of 4 KiB under a pinned top: the index of a whole 64 MiB file, several hundred KiB of it, would
    // have to be read again for one row whenever the cache has let it go.
    blocks.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    blocks.set_partition_filters(true);
    blocks.set_metadata_block_size(4 << 10);
    blocks.set_pin_top_level_index_and_filter(true);
    let mut options = Options::default();
    options.set_write_buffer_size(32 << 20);
    options.set_level_compaction_dynamic_level_bytes(true);
    options.set_compression_type(match table {
        // The only rows with something to gain; all others are hashes, signatures or numbers.
        Table::Fact | Table::Artefact | Table::Bundle => DBCompressionType::Lz4,
        _ => DBCompressionType::None,
    });
    // Asked with random keys that are mostly absent.
    if matches!(table, Table::Tag | Table::Dedup | Table::Aggregate) {
        blocks.set_bloom_filter(10.0, false);
        // Of rows not on disk yet, too: the walk through the skip list was a third of the sequencer's own time. A fiftieth of
        // the memtable is 16 bits for each of the 330,000 rows that fill it.
        options.set_memtable_whole_key_filtering(true);
        options.set_memtable_prefix_bloom_ratio(0.02);
    }
    options.set_block_based_table_factory(&blocks);
    options
}

fn scan(rows: rocksdb::DBIteratorWithThreadMode<'_, DB>, visit: &mut Visit<'_>) -> Result<(), Fault> {
    for row in rows {
        let (key, value) = row.map_err(storage)?;
        if let ControlFlow::Break(()) = visit(&key, &value) {
            break;
        }
    }
    Ok(())
}

fn mode(from: &[u8], direction: Direction) -> IteratorMode<'_> {
    IteratorMode::From(
        from,
        match direction {
            Direction::Up => RocksDirection::Forward,
            Direction::Down => RocksDirection::Reverse,
        },
    )
}

/// Reads for a scan: checked, read ahead, and not at the expense of what is cached for point reads.
fn scan_options() -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_verify_checksums(true);
    options.fill_cache(false);
    options
}

impl Read for RocksStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        let Some(table) = self.table(table) else { return Ok(None) };
        self.db.get_cf(table, key).map_err(storage)
    }

    fn scan(&self, table: Table, from: &[u8], direction: Direction, visit: &mut Visit<'_>) -> Result<(), Fault> {
        let Some(table) = self.table(table) else { return Ok(()) };
        scan(self.db.iterator_cf_opt(table, scan_options(), mode(from, direction)), visit)
    }

    fn first(&self, table: Table, from: &[u8], direction: Direction) -> Result<Option<KeyAndRow>, Fault> {
        let Some(table) = self.table(table) else { return Ok(None) };
        let mut rows = self.db.raw_iterator_cf(table);
        match direction {
            Direction::Up => rows.seek(from),
            Direction::Down => rows.seek_for_prev(from),
        }
        let found = rows.item().map(|(key, row)| (key.to_vec(), row.to_vec()));
        rows.status().map_err(storage)?;
        Ok(found)
    }
}

impl Store for RocksStore {
    fn view(&self) -> Box<dyn Read + '_> {
        Box::new(View { store: self, snapshot: self.db.snapshot() })
    }

    fn commit(&self, batch: &Batch) -> Result<(), Fault> {
        let mut rows = WriteBatch::with_capacity_bytes(batch.bytes() + 16 * batch.len());
        for (table, key, value) in batch.rows() {
            let table = self.table(table).expect("every table is made when the store is opened for writing");
            match value {
                Some(value) => rows.put_cf(table, key, value),
                None => rows.delete_cf(table, key),
            }
        }
        self.db.write_opt(rows, &self.sync).map_err(storage)
    }
}

struct View<'a> {
    store: &'a RocksStore,
    snapshot: Snapshot<'a>,
}

impl Read for View<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        let Some(table) = self.store.table(table) else { return Ok(None) };
        self.snapshot.get_cf(table, key).map_err(storage)
    }

    fn scan(&self, table: Table, from: &[u8], direction: Direction, visit: &mut Visit<'_>) -> Result<(), Fault> {
        let Some(table) = self.store.table(table) else { return Ok(()) };
        scan(self.snapshot.iterator_cf_opt(table, scan_options(), mode(from, direction)), visit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_contract() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        drop(RocksStore::create(&path, &RocksSettings::default()).unwrap());
        super::super::suite::run(|| RocksStore::open(&path, &RocksSettings::default()).unwrap());
    }

    #[test]
    fn says_why_it_does_not_open() {
        let dir = tempfile::tempdir().unwrap();
        let (path, settings) = (dir.path().join("store"), RocksSettings::default());
        let error = |result: Result<RocksStore, OpenError>| result.err().expect("refused");
        assert!(matches!(error(RocksStore::open(&path, &settings)), OpenError::Missing(_)));
        let store = RocksStore::create(&path, &settings).unwrap();
        assert!(matches!(error(RocksStore::open(&path, &settings)), OpenError::Locked(_)));
        drop(store);
        assert!(matches!(error(RocksStore::create(&path, &settings)), OpenError::Failed { .. }));
        let mut options = Options::default();
        options.create_missing_column_families(true);
        let tables = Table::ALL.map(Table::name).into_iter().chain(["default", "later"]);
        let mut db = DB::open_cf(&options, &path, tables).unwrap();
        for open in [RocksStore::open, RocksStore::open_read_only] {
            let refused = error(open(&path, &settings));
            assert!(matches!(&refused, OpenError::UnknownTables { tables, .. } if tables == "later"), "{refused}");
        }
        db.drop_cf("later").unwrap();
        db.drop_cf("tag").unwrap();
        drop(db);
        // Not made anew, empty: it held every tag that may not stand in the log again.
        for open in [RocksStore::open, RocksStore::open_read_only, RocksStore::open] {
            let refused = error(open(&path, &settings));
            assert!(matches!(&refused, OpenError::LostTables { tables, .. } if tables == "tag"), "{refused}");
        }
    }

    /// A store of a program that had no names, or no keys: it is read as it is, and gets the table when it is opened for writing.
    #[test]
    fn a_table_that_came_later_is_made() {
        Table::LATER.into_iter().for_each(made_later);
    }

    fn made_later(later: Table) {
        let dir = tempfile::tempdir().unwrap();
        let (path, settings) = (dir.path().join("store"), RocksSettings::default());
        let store = RocksStore::create(&path, &settings).unwrap();
        let put = |store: &RocksStore, table| {
            let mut batch = Batch::default();
            batch.put(table, b"key", b"value");
            store.commit(&batch).unwrap();
        };
        put(&store, Table::Fact);
        drop(store);
        let mut db = DB::open_cf(&Options::default(), &path, Table::ALL.map(Table::name)).unwrap();
        db.drop_cf(later.name()).unwrap();
        drop(db);
        let old = RocksStore::open_read_only(&path, &settings).unwrap();
        assert!(old.get(Table::Fact, b"key").unwrap().is_some());
        for table in [later, Table::Tag] {
            assert_eq!(old.get(table, b"key").unwrap(), None);
            assert_eq!(old.first(table, b"", Direction::Up).unwrap(), None);
            old.scan(table, b"", Direction::Up, &mut |_, _| panic!("a row where none is")).unwrap();
            assert_eq!(old.view().get(table, b"key").unwrap(), None);
        }
        drop(old);
        assert_eq!(RocksStore::log_damage(&path, &settings), None);
        let store = RocksStore::open(&path, &settings).unwrap();
        put(&store, later);
        drop(store);
        assert!(RocksStore::open_read_only(&path, &settings).unwrap().get(later, b"key").unwrap().is_some());
    }

    #[test]
    fn a_checkpoint_stands_still_and_shares_its_files() {
        use std::os::unix::fs::MetadataExt as _;

        let dir = tempfile::tempdir().unwrap();
        let (path, settings) = (dir.path().join("store"), RocksSettings::default());
        let store = RocksStore::create(&path, &settings).unwrap();
        let put = |n: u64| {
            let mut batch = Batch::default();
            batch.put(Table::Fact, &n.to_be_bytes(), b"fact");
            store.commit(&batch).unwrap();
        };
        (0..9).for_each(put);
        let copy = dir.path().join("copy");
        store.checkpoint(&copy).unwrap();
        assert!(store.checkpoint(&copy).is_err(), "never over another");
        (9..20).for_each(put);
        let tables = |path: &Path| {
            let files = std::fs::read_dir(path).unwrap().map(|file| file.unwrap());
            let files = files.filter(|file| file.path().extension().is_some_and(|end| end == "sst"));
            files.map(|file| file.metadata().unwrap().ino()).collect::<Vec<_>>()
        };
        assert!(!tables(&copy).is_empty() && tables(&copy).iter().all(|ino| tables(&path).contains(ino)));
        for found in [RocksStore::open_read_only(&copy, &settings), RocksStore::open(&copy, &settings)] {
            let (key, _) = found.unwrap().first(Table::Fact, &[0xff; 8], Direction::Down).unwrap().unwrap();
            assert_eq!(key, 8u64.to_be_bytes());
        }
    }

    #[test]
    fn a_damaged_log_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let (path, settings) = (dir.path().join("store"), RocksSettings::default());
        let store = RocksStore::create(&path, &settings).unwrap();
        for n in 0..40u64 {
            let mut batch = Batch::default();
            batch.put(Table::Fact, &n.to_be_bytes(), &[7; 2_000]);
            store.commit(&batch).unwrap();
        }
        drop(store);
        assert_eq!(RocksStore::log_damage(&path, &settings), None);
        let logs = std::fs::read_dir(&path).unwrap().map(|file| file.unwrap().path());
        let log = logs.filter(|file| file.extension().is_some_and(|end| end == "log")).max().unwrap();
        let sound = std::fs::read(&log).unwrap();
        let name = log.file_name().unwrap().to_str().unwrap();
        let named = |bytes: &[u8], what: &str| {
            std::fs::write(&log, bytes).unwrap();
            let words = RocksStore::log_damage(&path, &settings).unwrap_or_else(|| panic!("{what} is not found"));
            assert!(words.contains(name) && words.contains("dropping"), "{what}: {words}");
            assert_eq!(std::fs::read(&log).unwrap(), bytes, "nothing is written");
        };
        for at in [3, 5, 6, 20, 40_000, sound.len() - 1] {
            let mut bytes = sound.clone();
            bytes[at] ^= 1;
            named(&bytes, &format!("byte {at}"));
        }
        for cut in [1, 10, 3_000] {
            named(&sound[..sound.len() - cut], &format!("{cut} bytes cut off"));
        }
    }
}
