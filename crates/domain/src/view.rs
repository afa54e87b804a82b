//! Management reads: one token, many tokens, figures, the audit log.

use countermark_core::{Purpose, Token, TokenId, UnixSeconds};

use crate::caller::Caller;
use crate::error::DomainError;
use crate::service::Service;
use crate::store::{AuditFilter, AuditRecord, HourlyDecisions, HourlyUse, ListFilter, Lookup};

/// How much is read for one page, whose tokens may lie far apart between those of others.
#[derive(Clone, Copy)]
struct Effort {
    /// Rows that are read at once, if more than the page needs.
    rows: u32,
    /// How often, at most.
    reads: u32,
}

/// 10,000 rows for one page: a bound key does not make each of its requests read the whole table.
const EFFORT: Effort = Effort { rows: 500, reads: 20 };

/// One page of a list.
#[derive(Debug)]
pub struct Page {
    /// The tokens, newest first.
    pub tokens: Vec<Token>,
    /// Where the next page begins; `None` after the last. It may be set behind a short page, even an empty one: then
    /// what was read so far was mostly foreign to the caller.
    pub next: Option<TokenId>,
}

impl Caller {
    /// Whether the key is bound to no path, clouds and storages: only such a key is shown what concerns the whole
    /// installation.
    pub fn is_unbound(&self) -> bool {
        match &self.terms().purpose {
            Purpose::ApiKey(api) => api.base_path.is_none() && api.clouds.is_none() && api.storages.is_none(),
            Purpose::ImageUrl(_) | Purpose::Upload(_) => false,
        }
    }
}

impl Service {
    /// One token as stored.
    ///
    /// # Errors
    /// [`DomainError::NotFound`], alike for what is absent and what is foreign to the caller.
    pub async fn view(&self, caller: &Caller, id: TokenId) -> Result<Token, DomainError> {
        let token = self.find(Lookup::Id(id)).await?.found;
        token.filter(|token| caller.sees(&token.terms)).ok_or(DomainError::NotFound)
    }

    /// Whether there is such a token; mostly answered from the cache.
    ///
    /// # Errors
    /// Store errors.
    pub async fn exists(&self, caller: &Caller, id: TokenId) -> Result<bool, DomainError> {
        let entry = self.entry(Lookup::Id(id)).await?;
        Ok(entry.is_some_and(|entry| caller.sees(&entry.terms)))
    }

    /// A page of the tokens that the caller sees.
    ///
    /// # Errors
    /// Store errors.
    pub async fn list(&self, caller: &Caller, filter: ListFilter) -> Result<Page, DomainError> {
        let effort = if caller.is_unbound() { Effort { rows: 0, ..EFFORT } } else { EFFORT };
        let sees = |token: &Token| caller.sees(&token.terms);
        Ok(collect(effort, filter, sees, async |filter| self.store.list(filter).await).await?)
    }

    /// Hourly figures of one token, `from` included, `to` excluded.
    ///
    /// # Errors
    /// As [`Service::view`].
    pub async fn usage(
        &self,
        caller: &Caller,
        id: TokenId,
        from: UnixSeconds,
        to: UnixSeconds,
    ) -> Result<Vec<HourlyUse>, DomainError> {
        self.view(caller, id).await?;
        Ok(self.store.usage(id, from, to).await?)
    }

    /// Hourly decisions of the whole installation by code.
    ///
    /// # Errors
    /// Store errors.
    pub async fn stats(
        &self,
        from: UnixSeconds,
        to: UnixSeconds,
    ) -> Result<Vec<HourlyDecisions>, DomainError> {
        Ok(self.store.decisions(from, to).await?)
    }

    /// The audit log, newest first.
    ///
    /// # Errors
    /// Store errors.
    pub async fn audit_log(&self, filter: &AuditFilter) -> Result<Vec<AuditRecord>, DomainError> {
        Ok(self.store.audit(filter).await?)
    }
}

/// Reads on until the page is full, nothing is left or the effort is spent.
async fn collect<E>(
    effort: Effort,
    mut filter: ListFilter,
    sees: impl Fn(&Token) -> bool,
    read: impl AsyncFn(&ListFilter) -> Result<Vec<Token>, E>,
) -> Result<Page, E> {
    let wanted = filter.at_most as usize;
    filter.at_most = effort.rows.max(filter.at_most + 1);
    let mut tokens = Vec::new();
    let mut is_end = false;
    for _ in 0..effort.reads {
        let rows = read(&filter).await?;
        is_end = rows.len() < filter.at_most as usize;
        filter.after = rows.last().map(|token| token.terms.id).or(filter.after);
        tokens.extend(rows.into_iter().filter(&sees));
        if tokens.len() > wanted || is_end {
            break;
        }
    }
    let next = if tokens.len() > wanted {
        tokens.truncate(wanted);
        tokens.last().map(|token| token.terms.id)
    } else {
        filter.after.filter(|_| !is_end)
    };
    Ok(Page { tokens, next })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use countermark_core::TokenKind;

    use super::*;
    use crate::testing::image_url;

    const EFFORT: Effort = Effort { rows: 4, reads: 3 };

    fn id(number: u8) -> TokenId {
        TokenId::from_uuid(TokenKind::ImageUrl, [number; 16])
    }

    /// All pages of at most `at_most` of `count` tokens, of which the caller sees those of `sees`.
    async fn pages(count: u8, at_most: u32, sees: impl Fn(u8) -> bool) -> Vec<Vec<TokenId>> {
        let (mut pages, mut after) = (Vec::new(), None);
        let sees = |token: &Token| (1..=count).any(|number| id(number) == token.terms.id && sees(number));
        loop {
            let reads = Cell::new(0);
            let filter = ListFilter { at_most, after, ..ListFilter::default() };
            let page = collect(EFFORT, filter, &sees, async |filter: &ListFilter| {
                reads.set(reads.get() + 1);
                let rest =
                    (1..=count).rev().filter(|number| filter.after.is_none_or(|after| id(*number) < after));
                let token = |number| {
                    let mut token = image_url();
                    token.terms.id = id(number);
                    token
                };
                Ok::<_, DomainError>(rest.take(filter.at_most as usize).map(token).collect())
            });
            let page = page.await.unwrap();
            assert!(reads.get() <= EFFORT.reads);
            pages.push(page.tokens.iter().map(|token| token.terms.id).collect());
            match page.next {
                Some(next) => after = Some(next),
                None => return pages,
            }
        }
    }

    fn ids(numbers: &[u8]) -> Vec<TokenId> {
        numbers.iter().map(|number| id(*number)).collect()
    }

    #[tokio::test]
    async fn a_page_ends_short_once_the_effort_is_spent_and_the_next_goes_on_behind_it() {
        // Twelve rows for a page: 30 to 19, 18 to 7, 6 to 1.
        let seen = [25, 8, 2];
        assert_eq!(pages(30, 2, |number| seen.contains(&number)).await, [ids(&[25]), ids(&[8]), ids(&[2])]);
        assert_eq!(pages(30, 2, |number| number == 1).await, [ids(&[]), ids(&[]), ids(&[1])]);
        assert_eq!(pages(24, 2, |_| false).await, [ids(&[]), ids(&[]), ids(&[])]);
    }

    #[tokio::test]
    async fn no_token_is_shown_twice_or_left_out_whatever_the_page_size() {
        for at_most in 1..=12 {
            for step in 1..=7 {
                let seen: Vec<u8> = (1..=40).rev().filter(|number| number % step == 0).collect();
                let shown = pages(40, at_most, |number| number % step == 0).await;
                assert!(shown.iter().all(|page| page.len() <= at_most as usize));
                assert_eq!(shown.concat(), ids(&seen), "{at_most} a page, every {step}th seen");
            }
        }
    }
}
