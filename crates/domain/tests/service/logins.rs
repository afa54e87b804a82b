//! Logging in with an administrator key: how long it holds, where, and what ends it.

use countermark_core::{DenyReason, Dialect};
use countermark_domain::store::AuditFilter;
use countermark_domain::{Caller, DomainError, Draft, Expiry, Login, MAX_LOGIN_SECONDS, Patch, TokenPatch};

use crate::installation::{Installation, START, api_key, ask_with, at};

const HERE: Dialect = Dialect::Contentive;

impl Installation {
    async fn log_in(&self, password: &str, seconds: u64) -> Result<Login, DomainError> {
        self.service.log_in(HERE, password, seconds, None, Some("r1".to_owned())).await
    }

    async fn logged_in(&self, login: &Login) -> Result<Caller, DenyReason> {
        match self.service.authenticate_login(HERE, &login.token, None).await {
            Ok(caller) => Ok(caller),
            Err(DomainError::Unauthenticated(reason)) => Err(reason),
            Err(DomainError::PermissionRequired(_)) => Err(DenyReason::PermissionDenied),
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn a_login_is_its_key_in_one_dialect_until_its_time_is_over() {
    let here = Installation::new().await;
    let login = here.log_in(&here.admin_value, 60).await.unwrap();
    assert_eq!((login.administrator, login.expires), (here.admin.id(), at(START + 60)));
    let caller = here.logged_in(&login).await.unwrap();
    assert_eq!((caller.id(), caller.dialect()), (here.admin.id(), HERE));
    here.clock.advance(59);
    assert!(here.logged_in(&login).await.is_ok());
    here.clock.advance(1);
    assert_eq!(here.logged_in(&login).await.err(), Some(DenyReason::Expired));
}

#[tokio::test]
async fn no_login_lasts_longer_than_a_day_or_than_its_key() {
    let here = Installation::new().await;
    let login = here.log_in(&here.admin_value, u64::MAX).await.unwrap();
    assert_eq!(login.expires, at(START + MAX_LOGIN_SECONDS));
    assert_eq!(MAX_LOGIN_SECONDS, 86_400);
    let draft = Draft { expiry: Some(Expiry::After(30)), ..api_key(&["*"]) };
    let key = here.issue(draft).await.value.unwrap();
    let login = here.log_in(&key, 60).await.unwrap();
    assert_eq!(login.expires, at(START + 30));
    here.clock.advance(30);
    assert_eq!(here.logged_in(&login).await.err(), Some(DenyReason::Expired));
    assert!(matches!(here.log_in(&key, 60).await, Err(DomainError::Unauthenticated(DenyReason::Expired))));
}

#[tokio::test]
async fn a_login_holds_in_its_own_dialect_and_is_no_credential_of_a_use() {
    let here = Installation::new().await;
    let login = here.log_in(&here.admin_value, 60).await.unwrap();
    for other in Dialect::ALL.into_iter().filter(|it| *it != HERE) {
        let refused = here.service.authenticate_login(other, &login.token, None).await;
        assert!(matches!(refused, Err(DomainError::Unauthenticated(DenyReason::UnknownToken))), "{other:?}");
    }
    for dialect in Dialect::ALL {
        let refused = here.service.authenticate_in(dialect, &login.token, "*", None).await;
        assert!(
            matches!(refused, Err(DomainError::Unauthenticated(DenyReason::UnknownToken))),
            "{dialect:?}"
        );
    }
    let ask = ask_with(countermark_domain::Credential::Value(&login.token), Default::default());
    assert_eq!(here.ask(ask).await.err(), Some(DenyReason::UnknownToken));
}

#[tokio::test]
async fn a_login_ends_when_its_key_is_regenerated_disabled_narrowed_or_revoked() {
    let here = Installation::new().await;
    let issue = async || {
        let issued = here.issue(api_key(&["*"])).await;
        (issued.token.terms.id, here.log_in(&issued.value.unwrap(), 60).await.unwrap())
    };
    let patch = |enabled, permissions: Option<&[&str]>| {
        let permission = |text: &&str| countermark_core::Permission::parse(text).unwrap();
        let permissions =
            permissions.map_or(Patch::Keep, |it| Patch::Set(it.iter().map(permission).collect()));
        TokenPatch { enabled: Patch::Set(enabled), permissions, ..TokenPatch::default() }
    };

    let (id, login) = issue().await;
    assert!(here.logged_in(&login).await.is_ok());
    here.service.regenerate(&here.admin, id, 0, None).await.unwrap();
    assert_eq!(here.logged_in(&login).await.err(), Some(DenyReason::UnknownToken));

    let (id, login) = issue().await;
    here.service.regenerate(&here.admin, id, 20, None).await.unwrap();
    here.clock.advance(19);
    assert!(here.logged_in(&login).await.is_ok(), "as long as the former value overlaps");
    here.clock.advance(1);
    assert_eq!(here.logged_in(&login).await.err(), Some(DenyReason::UnknownToken));

    let (id, login) = issue().await;
    here.service.update(&here.admin, id, None, patch(false, None)).await.unwrap();
    assert_eq!(here.logged_in(&login).await.err(), Some(DenyReason::Disabled));
    here.service.update(&here.admin, id, None, patch(true, None)).await.unwrap();
    assert!(here.logged_in(&login).await.is_ok());
    here.service.update(&here.admin, id, None, patch(true, Some(&["tokens:write"]))).await.unwrap();
    assert_eq!(here.logged_in(&login).await.err(), Some(DenyReason::PermissionDenied));

    let (id, login) = issue().await;
    here.service.revoke(&here.admin, id, false).await.unwrap();
    assert_eq!(here.logged_in(&login).await.err(), Some(DenyReason::Revoked));
    here.service.purge(&here.admin, id).await.unwrap();
    assert_eq!(here.logged_in(&login).await.err(), Some(DenyReason::UnknownToken));
}

#[tokio::test]
async fn only_administrators_log_in_and_each_login_is_noted() {
    let here = Installation::new().await;
    let log = async || {
        let filter = AuditFilter { action: Some("login".to_owned()), at_most: 9, ..AuditFilter::default() };
        here.service.audit_log(&filter).await.unwrap()
    };
    let manager = here.issue(api_key(&["tokens:*", "read"])).await.value.unwrap();
    assert!(matches!(here.log_in(&manager, 60).await, Err(DomainError::PermissionRequired(_))));
    for wrong in ["", "admin", "cmk_x", &"x".repeat(5000)] {
        assert!(matches!(here.log_in(wrong, 60).await, Err(DomainError::Unauthenticated(_))), "{wrong}");
    }
    for dialect in Dialect::ALL.into_iter().filter(|it| *it != Dialect::Native) {
        let draft = Draft { dialect, ..api_key(&["*"]) };
        let foreign = here.issue(draft).await.value.unwrap();
        let outcome = here.log_in(&foreign, 60).await;
        assert!(outcome.is_err(), "{dialect:?}");
    }
    assert!(log().await.is_empty());
    here.log_in(&here.admin_value, 60).await.unwrap();
    let entries = log().await;
    assert_eq!(
        (entries.len(), entries[0].actor, entries[0].request_id.as_deref()),
        (1, Some(here.admin.id()), Some("r1"))
    );
}

#[tokio::test]
async fn a_login_outlives_a_restart() {
    let here = Installation::new().await;
    let login = here.log_in(&here.admin_value, 60).await.unwrap();
    let here = here.restarted().await;
    assert!(here.logged_in(&login).await.is_ok());
}

#[tokio::test]
async fn api_tokens_of_contentive_have_another_key_and_type_than_logins() {
    let here = Installation::new().await;
    let login = here.log_in(&here.admin_value, 60).await.unwrap();
    let claims = login.token.split('.').nth(1).unwrap();
    let claims: serde_json::Value = {
        use base64::Engine;
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    };
    let token = here.service.contentive_jwt(&claims);
    let swapped = [login.token.split('.').next().unwrap(), token.split_once('.').unwrap().1].join(".");
    for forged in [&*token, &swapped] {
        let refused = here.service.authenticate_login(HERE, forged, None).await;
        assert!(matches!(refused, Err(DomainError::Unauthenticated(DenyReason::UnknownToken))));
    }
}
