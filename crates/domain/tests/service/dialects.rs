//! Foreign dialects: whose tokens a call sees, names that are unique, and values that are shown again.

use std::sync::Arc;

use countermark_core::{DenyReason, Dialect, SigningSecret, Token, TokenId};
use countermark_domain::store::{AuditFilter, ListFilter};
use countermark_domain::{Caller, DomainError, Draft, Patch, PurposeDraft, TokenPatch};

use crate::installation::{
    Installation, START, api_key, ask_with, at, get, image_url, link, link_by, upload,
};

const FOREIGN: [Dialect; 5] =
    [Dialect::Imgbed, Dialect::Query, Dialect::Shardimage, Dialect::Cloudpaste, Dialect::Contentive];

fn of(dialect: Dialect, mut draft: Draft) -> Draft {
    draft.dialect = dialect;
    draft.recoverable = true;
    draft
}

fn named(dialect: Dialect, name: &str) -> Draft {
    Draft { name: Some(name.to_owned()), ..of(dialect, api_key(&["read"])) }
}

fn rename(name: &str) -> TokenPatch {
    TokenPatch { name: Patch::Set(name.to_owned()), ..TokenPatch::default() }
}

fn with_secret(text: &str) -> TokenPatch {
    TokenPatch { secret: Some(SigningSecret::new(text.to_owned()).unwrap()), ..TokenPatch::default() }
}

impl Installation {
    /// The administrator calling in a dialect.
    async fn admin_in(&self, dialect: Dialect) -> Caller {
        self.service.authenticate_in(dialect, &self.admin_value, "*", None).await.unwrap()
    }

    async fn audited(&self, action: &str) -> usize {
        let filter = AuditFilter { action: Some(action.to_owned()), at_most: 200, ..AuditFilter::default() };
        self.service.audit_log(&filter).await.unwrap().len()
    }
}

#[tokio::test]
async fn the_names_of_api_keys_are_unique_within_each_of_four_dialects() {
    let here = Installation::new().await;
    for dialect in Dialect::ALL {
        let caller = here.admin_in(dialect).await;
        here.issue_by(&caller, named(dialect, "taken")).await.unwrap();
        let other = here.issue_by(&caller, named(dialect, "other")).await.unwrap().token.terms.id;
        let again = here.issue_by(&caller, named(dialect, "taken")).await;
        // Also by the native API, which sees all of them.
        let renamed = here.service.update(&here.admin, other, None, rename("taken")).await;
        if matches!(dialect, Dialect::Native | Dialect::Imgbed) {
            assert!(again.is_ok() && renamed.is_ok(), "{dialect:?}");
        } else {
            assert!(matches!(again, Err(DomainError::NameTaken)), "{dialect:?}");
            let refused = match dialect {
                // A Shardimage key is named by its digits, which nobody changes.
                Dialect::Shardimage => matches!(renamed, Err(DomainError::Invalid { pointer: "/name", .. })),
                _ => matches!(renamed, Err(DomainError::NameTaken)),
            };
            assert!(refused, "{dialect:?}");
            let kept = here.service.view(&here.admin, other).await.unwrap();
            assert_eq!((kept.about.name.as_deref(), kept.terms.revision), (Some("other"), 1));
        }
        for _ in 0..2 {
            let image = Draft { name: Some("taken".to_owned()), ..of(dialect, image_url(None)) };
            here.issue_by(&caller, image).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_want_one_name_one_gets_it() {
    let here = Arc::new(Installation::new().await);
    let mut ids = Vec::new();
    for number in 0..20 {
        let draft = named(Dialect::Contentive, &format!("n{number}"));
        ids.push(here.issue(draft).await.token.terms.id);
    }
    let issues = (0..20).map(|_| {
        let here = Arc::clone(&here);
        tokio::spawn(
            async move { here.issue_by(&here.admin, named(Dialect::Contentive, "one")).await.map(drop) },
        )
    });
    let renamings = ids.into_iter().map(|id| {
        let here = Arc::clone(&here);
        tokio::spawn(async move { here.service.update(&here.admin, id, None, rename("one")).await.map(drop) })
    });
    let calls: Vec<_> = issues.chain(renamings).collect();
    let mut won = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(()) => won += 1,
            Err(error) => assert!(matches!(error, DomainError::NameTaken), "{error}"),
        }
    }
    assert_eq!(won, 1);
}

#[tokio::test]
async fn a_changed_secret_is_the_next_version_and_ends_the_former_at_once() {
    let here = Installation::new().await;
    let caller = here.admin_in(Dialect::Shardimage).await;
    let issued = here.issue_by(&caller, of(Dialect::Shardimage, image_url(None))).await.unwrap();
    let id = issued.token.terms.id;
    let former = link(&issued);
    assert!(here.ask(get(&former)).await.is_ok());
    let text = "another secret of forty characters or so";
    let changed = here.service.update(&caller, id, None, with_secret(text)).await.unwrap();
    assert_eq!(changed.terms.revision, 2);
    assert_eq!(here.ask(get(&former)).await.err(), Some(DenyReason::BadSignature));
    let (version, _) = changed.terms.signing_slot().map(|slot| (slot.version.number, ())).unwrap();
    assert_eq!(version.get(), 2);
    let now = link_by(id, &(version, SigningSecret::new(text.to_owned()).unwrap()));
    assert!(here.ask(get(&now)).await.is_ok());

    let same = here.service.update(&caller, id, None, with_secret(text)).await.unwrap();
    assert_eq!((same.terms.revision, same.terms.signing_slot().unwrap().version.number), (3, version));
    assert!(here.ask(get(&now)).await.is_ok());
    let revealed = here.service.reveal(&caller, id).await.unwrap();
    assert_eq!(revealed.text.as_str(), text);

    let key = here.issue(of(Dialect::Shardimage, upload(None))).await.token.terms.id;
    let refused = here.service.update(&here.admin, key, None, with_secret(text)).await;
    assert!(matches!(refused, Err(DomainError::Invalid { pointer: "/extra/secret", .. })));
}

/// Every way of reaching a token by its id; each must find nothing.
async fn assert_hidden(here: &Installation, caller: &Caller, token: &Token, value: Option<&str>) {
    let (service, id) = (&here.service, token.terms.id);
    let hidden = |outcome: Result<(), DomainError>, what: &str| {
        assert!(matches!(outcome, Err(DomainError::NotFound)), "{what}: {outcome:?}");
    };
    hidden(service.view(caller, id).await.map(drop), "view");
    assert!(!service.exists(caller, id).await.unwrap());
    hidden(service.update(caller, id, None, rename("mine")).await.map(drop), "update");
    hidden(service.regenerate(caller, id, 0, None).await.map(drop), "regenerate");
    let mine = zeroize_text(service, "mine");
    hidden(service.regenerate_as(caller, id, mine).await.map(drop), "regenerate as");
    hidden(service.reveal(caller, id).await.map(drop), "reveal");
    hidden(service.revoke(caller, id, false).await, "revoke");
    hidden(service.purge(caller, id).await, "purge");
    hidden(service.usage(caller, id, at(START), at(START + 3600)).await.map(drop), "usage");
    if let Some(value) = value {
        hidden(service.find_presented(caller, value).await.map(drop), "by value");
    }
    hidden(service.find_named(caller, "the name").await.map(drop), "by name");
    let listed = service.all(caller).await.unwrap();
    assert!(listed.iter().all(|one| one.terms.id != id));
    let page = service.list(caller, ListFilter { at_most: 100, ..ListFilter::default() }).await.unwrap();
    assert!(page.tokens.iter().all(|one| one.terms.id != id));
}

fn zeroize_text(service: &countermark_domain::Service, prefix: &str) -> zeroize::Zeroizing<String> {
    service.foreign_value(prefix, 30)
}

#[tokio::test]
async fn a_call_in_a_dialect_reaches_tokens_of_that_dialect_only() {
    let here = Installation::new().await;
    let mut tokens = Vec::new();
    for dialect in Dialect::ALL {
        let draft = Draft { name: Some("the name".to_owned()), ..of(dialect, upload(None)) };
        let issued = here.issue(draft).await;
        tokens.push((dialect, issued.token, issued.value.unwrap().to_string()));
    }
    for own in FOREIGN {
        let caller = here.admin_in(own).await;
        for (dialect, token, value) in &tokens {
            if *dialect != own {
                assert_hidden(&here, &caller, token, Some(value)).await;
                continue;
            }
            let id = token.terms.id;
            assert_eq!(here.service.view(&caller, id).await.unwrap().terms.id, id);
            assert!(here.service.exists(&caller, id).await.unwrap());
            assert_eq!(here.service.find_presented(&caller, value).await.unwrap().terms.id, id);
            assert_eq!(here.service.reveal(&caller, id).await.unwrap().text.as_str(), value);
            let all: Vec<TokenId> =
                here.service.all(&caller).await.unwrap().iter().map(|token| token.terms.id).collect();
            assert_eq!(all, [id]);
        }
    }
    let all = here.service.all(&here.admin).await.unwrap();
    assert_eq!(all.len(), Dialect::ALL.len() + 1, "the native API sees all of them");
    for (_, token, _) in &tokens {
        assert!(here.service.view(&here.admin, token.terms.id).await.is_ok());
    }
}

#[tokio::test]
async fn the_management_keys_of_shardimage_are_seen_natively_only() {
    let here = Installation::new().await;
    let issued = here
        .issue(Draft { name: Some("the name".to_owned()), ..of(Dialect::Shardimage, api_key(&["*"])) })
        .await;
    let caller = here.admin_in(Dialect::Shardimage).await;
    assert_hidden(&here, &caller, &issued.token, issued.value.as_deref().map(String::as_str)).await;
    assert!(here.service.view(&here.admin, issued.token.terms.id).await.is_ok());
}

#[tokio::test]
async fn a_key_of_a_dialect_manages_there_what_it_can_be_granted_and_nowhere_else() {
    let here = Installation::new().await;
    for own in FOREIGN {
        let value = here.issue(of(own, api_key(&["*"]))).await.value.unwrap();
        for dialect in Dialect::ALL {
            let found = here.service.authenticate_in(dialect, &value, "*", None).await;
            if dialect == own {
                let refused = matches!(found, Err(DomainError::PermissionRequired("*")));
                assert!(refused, "{own:?}: no key of a dialect is an administrator");
            } else {
                let refused = matches!(found, Err(DomainError::Unauthenticated(DenyReason::WrongType)));
                assert!(refused, "{own:?} in {dialect:?}");
            }
        }
    }
    let manager = here.issue(of(Dialect::Imgbed, api_key(&["manage"]))).await.value.unwrap();
    let managing = here.service.authenticate_in(Dialect::Imgbed, &manager, "manage", None).await;
    assert_eq!(managing.unwrap().dialect(), Dialect::Imgbed);
    let (reader, _) = (here.issue(api_key(&["tokens:read", "tokens:reveal"])).await.value.unwrap(), ());
    for dialect in FOREIGN {
        let found = here.service.authenticate_in(dialect, &reader, "tokens:read", None).await;
        assert!(matches!(found, Err(DomainError::PermissionRequired(_))), "{dialect:?}");
    }
}

#[tokio::test]
async fn values_of_many_tokens_are_shown_together_with_one_audit_entry() {
    let here = Installation::new().await;
    let caller = here.admin_in(Dialect::Contentive).await;
    let mut tokens = Vec::new();
    let mut values = Vec::new();
    for number in 0..5 {
        let issued = here.issue(named(Dialect::Contentive, &format!("n{number}"))).await;
        tokens.push(issued.token);
        values.push(issued.value.map(|value| value.to_string()));
    }
    let unkept = here.issue(Draft { recoverable: false, ..named(Dialect::Contentive, "unkept") }).await.token;
    tokens.insert(1, unkept);
    values.insert(1, None);
    here.service.purge(&caller, tokens[3].terms.id).await.unwrap();
    values[3] = None;
    let shown = here.service.reveal_all(&caller, &tokens).await.unwrap();
    let shown: Vec<Option<String>> = shown.into_iter().map(|it| it.map(|it| it.to_string())).collect();
    assert_eq!(shown, values);
    assert_eq!((here.audited("token.reveal_all").await, here.audited("token.reveal").await), (1, 0));
}

#[tokio::test]
async fn without_the_right_to_reveal_no_value_is_shown_and_nothing_is_noted() {
    let here = Installation::new().await;
    let value = here.issue(of(Dialect::Imgbed, api_key(&["manage", "upload"]))).await.value.unwrap();
    let manager = here.service.authenticate_in(Dialect::Imgbed, &value, "manage", None).await.unwrap();
    let token = here.issue(of(Dialect::Imgbed, api_key(&["upload"]))).await.token;
    let refused = here.service.reveal_all(&manager, std::slice::from_ref(&token)).await;
    assert!(matches!(refused, Err(DomainError::PermissionRequired("tokens:reveal"))));
    assert_eq!(here.audited("token.reveal_all").await, 0);

    let bounded = Draft { expiry: Some(countermark_domain::Expiry::After(60)), ..api_key(&["*"]) };
    let bounded = here.issue(bounded).await.value.unwrap();
    let bounded = here.service.authenticate_in(Dialect::Imgbed, &bounded, "*", None).await.unwrap();
    let shown = here.service.reveal_all(&bounded, &[token]).await.unwrap();
    assert!(shown[0].is_none(), "a token that lasts longer than the caller is not his to show");
}

#[tokio::test]
async fn the_list_of_a_dialect_is_whole_and_newest_first_beyond_one_read() {
    let here = Installation::new().await;
    let mut ids = Vec::new();
    for _ in 0..510 {
        here.clock.advance(1);
        ids.push(here.issue(of(Dialect::Imgbed, upload(None))).await.token.terms.id);
        here.issue(upload(None)).await;
    }
    ids.reverse();
    let caller = here.admin_in(Dialect::Imgbed).await;
    let all: Vec<TokenId> =
        here.service.all(&caller).await.unwrap().iter().map(|token| token.terms.id).collect();
    assert_eq!(all, ids);
}

#[tokio::test]
async fn a_token_is_found_by_its_name_and_by_the_values_that_present_it_now() {
    let here = Installation::new().await;
    let caller = here.admin_in(Dialect::Query).await;
    let issued = here.issue(named(Dialect::Query, "name")).await;
    let (id, former) = (issued.token.terms.id, issued.value.unwrap());
    assert_eq!(here.service.find_named(&caller, "name").await.unwrap().terms.id, id);
    assert!(matches!(here.service.find_named(&caller, "Name").await, Err(DomainError::NotFound)));
    assert_eq!(here.service.named(Dialect::Query, "name").await.unwrap().unwrap().terms.id, id);
    assert!(here.service.named(Dialect::Cloudpaste, "name").await.unwrap().is_none());
    let value = here.service.foreign_value("q_", 30);
    let renewed = here.service.regenerate_as(&caller, id, value.clone()).await.unwrap();
    assert_eq!(renewed.value.as_deref(), Some(&*value));
    assert!(here.service.presents(&renewed.token, &value) && !here.service.presents(&renewed.token, &former));
    assert_eq!(here.service.find_presented(&caller, &value).await.unwrap().terms.id, id);
    assert!(matches!(here.service.find_presented(&caller, &former).await, Err(DomainError::NotFound)));
    let ask = |value| here.ask(ask_with(countermark_domain::Credential::Value(value), Default::default()));
    assert_eq!(ask(&former).await.err(), Some(DenyReason::UnknownToken));
}

#[tokio::test]
async fn the_holder_of_a_value_is_told_of_it_or_why_it_is_over() {
    let here = Installation::new().await;
    let draft = Draft {
        not_before: Some(at(START + 10)),
        expiry: Some(countermark_domain::Expiry::After(20)),
        limit: Some(0),
        ..named(Dialect::Cloudpaste, "held")
    };
    let issued = here.issue(draft).await;
    let (id, value) = (issued.token.terms.id, issued.value.unwrap());
    let holder = async |dialect| match here.service.holder(dialect, &value).await {
        Ok(token) => Ok(token.terms.id),
        Err(DomainError::Unauthenticated(reason)) => Err(reason),
        Err(error) => panic!("{error}"),
    };
    assert_eq!(holder(Dialect::Cloudpaste).await, Err(DenyReason::NotYetValid));
    for other in Dialect::ALL.into_iter().filter(|it| *it != Dialect::Cloudpaste) {
        assert_eq!(holder(other).await, Err(DenyReason::UnknownToken), "{other:?}");
    }
    // Its limit of 0 is no matter: nothing is used.
    here.service
        .update(&here.admin, id, None, TokenPatch { not_before: Patch::Clear, ..TokenPatch::default() })
        .await
        .unwrap();
    assert_eq!(holder(Dialect::Cloudpaste).await, Ok(id));
    assert_eq!(here.used(id).await, 0);
    let enabled = |enabled| TokenPatch { enabled: Patch::Set(enabled), ..TokenPatch::default() };
    here.service.update(&here.admin, id, None, enabled(false)).await.unwrap();
    assert_eq!(holder(Dialect::Cloudpaste).await, Err(DenyReason::Disabled));
    here.service.update(&here.admin, id, None, enabled(true)).await.unwrap();
    here.clock.advance(20);
    assert_eq!(holder(Dialect::Cloudpaste).await, Err(DenyReason::Expired));
    here.service.revoke(&here.admin, id, false).await.unwrap();
    assert_eq!(holder(Dialect::Cloudpaste).await, Err(DenyReason::Revoked));
    for no_value in ["", " ", "unknown", &"x".repeat(5000)] {
        let refused = here.service.holder(Dialect::Cloudpaste, no_value).await;
        assert!(matches!(refused, Err(DomainError::Unauthenticated(DenyReason::UnknownToken))));
    }
}

#[tokio::test]
async fn a_value_may_be_made_from_the_id_of_the_token_that_is_being_issued() {
    let here = Installation::new().await;
    let named_by = |id: TokenId, _| Ok(zeroize::Zeroizing::new(format!("value of {id}").replace(' ', "-")));
    let issued =
        here.service.issue_naming(&here.admin, named(Dialect::Contentive, "n"), named_by).await.unwrap();
    let expected = format!("value-of-{}", issued.token.terms.id);
    assert_eq!(issued.value.as_deref(), Some(&expected));
    assert_eq!(
        here.service.holder(Dialect::Contentive, &expected).await.unwrap().terms.id,
        issued.token.terms.id
    );

    let fails = |_, _| Err(DomainError::Invalid { pointer: "/scopes", detail: "expected fewer" });
    let refused = here.service.issue_naming(&here.admin, named(Dialect::Contentive, "m"), fails).await;
    assert!(matches!(refused, Err(DomainError::Invalid { pointer: "/scopes", .. })));
    assert!(here.service.named(Dialect::Contentive, "m").await.unwrap().is_none());
    let key = here.key(&["tokens:read", "tokens:write"]).await;
    let beyond = Draft { purpose: api_key(&["*"]).purpose, ..named(Dialect::Contentive, "m") };
    assert!(matches!(beyond.purpose, PurposeDraft::ApiKey { .. }));
    let beyond = here.service.issue_naming(&key, beyond, named_by).await;
    assert!(matches!(beyond, Err(DomainError::RightsExceeded("/permissions"))));
}
