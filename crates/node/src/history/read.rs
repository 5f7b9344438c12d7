//! Lookups and lists of what was recorded.

use super::{
    History, HistoryError,
    tables::{
        BlockRecord, EndedLine, EndedRecord, EventRecord, HISTORY, LAST, LINES, TransactionRecord,
        block_key, ended_key, line_key, read, read_height, read_line_key, transaction_key,
    },
};
use trustmesh_api::{EventView, RequestSummary, TransactionView};
use trustmesh_data::{Documents, Order};
use trustmesh_types::{
    PublicKey, Receipt, RequestId, TxId,
    records::{RequestRecord, Status},
};

/// Blocks whose events are read back at start: older requests that are still open lose the
/// begin of their history, nothing else.
const RECALLED_BLOCKS_MAX: usize = 4_096;
/// Blocks held in memory at once while they are read back.
const RECALLED_PER_READ_MAX: usize = 64;
/// Ended requests looked at for one page; a filter that few pass gives short pages.
const LINES_PER_PAGE_MAX: usize = 8_192;

/// Which requests a list has.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Filter {
    /// Only those that stand so.
    pub(crate) status: Option<Status>,
    /// Only those of this device.
    pub(crate) device: Option<PublicKey>,
}

/// A place in the list of ended requests: height of the end, and the request.
pub(crate) type Cursor = (u64, RequestId);

/// An ended request.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    /// Its record when it ended.
    pub(crate) record: RequestRecord,
    /// What happened, oldest first.
    pub(crate) events: Vec<EventView>,
}

impl Filter {
    /// Whether a request belongs to the list.
    pub(crate) fn takes(&self, status: Status, device: &PublicKey) -> bool {
        self.status.is_none_or(|wanted| wanted == status)
            && self.device.is_none_or(|wanted| wanted == *device)
    }
}

/// The last height recorded.
pub(super) fn last_height(documents: &Documents) -> Result<u64, HistoryError> {
    let last = documents.get(HISTORY, LAST)?;
    Ok(last.map(|bytes| read_height(&bytes)).transpose()?.unwrap_or(0))
}

impl History {
    /// Reads back the events of open requests.
    pub(super) fn recall(&self) -> Result<(), HistoryError> {
        let last = self.height();
        let recalled = self.blocks_kept.min(RECALLED_BLOCKS_MAX as u64);
        let mut next = last.saturating_add(1).saturating_sub(recalled);
        let to = block_key(last.saturating_add(1));
        loop {
            let (from, limit) = (block_key(next), RECALLED_PER_READ_MAX);
            let found = self.documents.range(HISTORY, &from, &to, limit, Order::Ascending)?;
            for (_, value) in &found {
                let block: BlockRecord = read(value)?;
                next = block.height.saturating_add(1);
                let mut recent = self.recent();
                recent.add(&block);
                recent.forget(&block);
            }
            if found.len() < limit {
                return Ok(());
            }
        }
    }

    /// A request that has ended.
    ///
    /// # Errors
    /// [`HistoryError`] when it can't be read.
    pub(crate) fn request(&self, id: &RequestId) -> Result<Option<Ended>, HistoryError> {
        let Some(bytes) = self.documents.get(HISTORY, &ended_key(id))? else { return Ok(None) };
        let ended: EndedRecord = read(&bytes)?;
        let events = ended.events.into_iter().map(event_view).collect();
        Ok(Some(Ended { record: ended.record, events }))
    }

    /// What happened to a request, oldest first.
    ///
    /// # Errors
    /// [`HistoryError`] when it can't be read.
    pub(crate) fn events_of(&self, id: &RequestId) -> Result<Vec<EventView>, HistoryError> {
        let open: Vec<EventView> =
            self.recent().events(id).iter().cloned().map(event_view).collect();
        if !open.is_empty() {
            return Ok(open);
        }
        Ok(self.request(id)?.map(|ended| ended.events).unwrap_or_default())
    }

    /// Ended requests, those that ended last first, after a place in the list; with each
    /// its place. The second part is where to go on when there may be more.
    ///
    /// # Errors
    /// [`HistoryError`] when they can't be read.
    pub(crate) fn requests(
        &self,
        filter: &Filter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<(Vec<RequestSummary>, Option<Cursor>), HistoryError> {
        let to = match after {
            Some((height, id)) => line_key(height, &id),
            // Above every line: one more than their prefix.
            None => LINES.iter().map(|byte| byte.saturating_add(1)).collect(),
        };
        let looked_at = LINES_PER_PAGE_MAX;
        let lines = self.documents.range(HISTORY, LINES, &to, looked_at, Order::Descending)?;
        let may_have_more = lines.len() == looked_at;
        let (mut found, mut place) = (Vec::new(), None);
        for (key, value) in &lines {
            if found.len() == limit {
                return Ok((found, place));
            }
            let Some(cursor) = read_line_key(key) else { continue };
            place = Some(cursor);
            let line: EndedLine = read(value)?;
            if filter.takes(line.status, &line.device) {
                found.push(summary(cursor.1, line));
            }
        }
        Ok((found, place.filter(|_| may_have_more)))
    }

    /// A transaction in a final block, without its content.
    ///
    /// # Errors
    /// [`HistoryError`] when it can't be read.
    pub(crate) fn transaction(&self, id: &TxId) -> Result<Option<TransactionView>, HistoryError> {
        let Some(bytes) = self.documents.get(HISTORY, &transaction_key(id))? else {
            return Ok(None);
        };
        let Some(block) = self.block(read_height(&bytes)?)? else { return Ok(None) };
        let (height, timestamp_ms) = (block.height, block.timestamp_ms);
        let found = block.transactions.into_iter().find(|t| t.id == *id);
        Ok(found.map(|it| TransactionView {
            id: it.id,
            signer: it.signer,
            kind: it.kind,
            height,
            timestamp_ms,
            outcome: it.outcome,
            transaction: None,
        }))
    }

    /// What became of a block's transactions, in order; `None` when the history does not have
    /// the block, or it held nothing.
    ///
    /// # Errors
    /// [`HistoryError`] when it can't be read.
    pub(crate) fn receipts_at(&self, height: u64) -> Result<Option<Vec<Receipt>>, HistoryError> {
        let Some(block) = self.block(height)? else { return Ok(None) };
        let receipt = |it: TransactionRecord| Receipt {
            transaction: it.id,
            signer: it.signer,
            outcome: it.outcome,
        };
        Ok(Some(block.transactions.into_iter().map(receipt).collect()))
    }

    /// Events of a block, in order; `None` when the history does not have the block, or it
    /// held nothing.
    ///
    /// # Errors
    /// [`HistoryError`] when it can't be read.
    pub(crate) fn events_at(&self, height: u64) -> Result<Option<Vec<EventView>>, HistoryError> {
        let Some(block) = self.block(height)? else { return Ok(None) };
        let (height, timestamp_ms) = (block.height, block.timestamp_ms);
        let view = |event| EventView { height, timestamp_ms, event };
        Ok(Some(block.events.into_iter().map(view).collect()))
    }

    /// The least height that is kept.
    pub(crate) fn first_kept(&self) -> u64 {
        self.height().saturating_add(1).saturating_sub(self.blocks_kept)
    }

    fn block(&self, height: u64) -> Result<Option<BlockRecord>, HistoryError> {
        let bytes = self.documents.get(HISTORY, &block_key(height))?;
        Ok(bytes.map(|bytes| read(&bytes)).transpose()?)
    }
}

fn event_view(record: EventRecord) -> EventView {
    EventView { height: record.height, timestamp_ms: record.timestamp_ms, event: record.event }
}

fn summary(id: RequestId, line: EndedLine) -> RequestSummary {
    RequestSummary {
        id,
        status: line.status,
        workflow: line.workflow,
        device: line.device,
        accepted_ms: line.accepted_ms,
        ended_ms: line.ended_ms,
        reason: line.reason,
    }
}
