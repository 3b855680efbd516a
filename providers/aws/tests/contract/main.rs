//! The contract that every cloud keeps, on AWS as ministack makes it.
//!
//! - `account`: an empty account, and what is in it
//! - `service`: the service `s` in all its variants, with functions that start quickly

#![expect(clippy::expect_used, reason = "a failing helper is a failing test")]

mod account;
mod service;

use std::path::PathBuf;

use async_trait::async_trait;
use mlfn_aws::AwsSession;
use mlfn_core::{Access, KindSpec, Lower as _, Resource, Session};
use mlfn_testkit::bench::{Twin, Variant};
use mlfn_testkit::{TestHost, lifecycle};
use tempfile::TempDir;

use self::account::{Account, OWNER, REGION};

/// The account, for the service `s`.
struct AwsTwin {
    account: &'static Account,
    folder: TempDir,
}

#[async_trait]
impl Twin for AwsTwin {
    fn kinds(&self) -> &'static [KindSpec] {
        mlfn_aws::Aws.kinds()
    }

    async fn session(&self) -> Box<dyn Session> {
        let access = Access {
            service: "s".parse().expect("is a name"),
            stage: "dev".parse().expect("is a name"),
            region: Some(REGION.to_owned()),
            profile: None,
            endpoint: Some(self.account.url()),
            tags: [].into(),
        };
        let session = AwsSession::connect_as(&access, (OWNER, OWNER)).await;
        Box::new(session.expect("connects"))
    }

    fn wanted(&self, variant: Variant) -> Vec<Resource> {
        let (service, artifact) = service::of(variant, self.folder.path());
        mlfn_aws::Aws.lower(&service, &[artifact])
    }

    async fn inventory(&self) -> Vec<String> {
        self.account.inventory().await
    }

    async fn tamper(&self) {
        self.account.shorten_retention("s-dev-jobs").await;
    }

    async fn occupy(&self) {
        self.account.take_topic("s-dev-news").await;
    }

    fn root(&self) -> PathBuf {
        self.folder.path().to_owned()
    }
}

/// One for each test, so that they can run at once.
struct Lab(&'static Account);

impl Lab {
    fn new() -> Self {
        Self(Box::leak(Box::new(Account::start())))
    }
}

#[async_trait]
impl lifecycle::Lab for Lab {
    async fn fresh(&self) -> Box<dyn Twin> {
        self.0.reset();
        let folder = TempDir::new().expect("makes a folder");
        service::pack(folder.path());
        Box::new(AwsTwin {
            account: self.0,
            folder,
        })
    }

    /// A deploy takes seconds here. The fake cloud of the testkit meets all of it.
    fn is_fast(&self) -> bool {
        false
    }

    fn host(&self) -> TestHost {
        TestHost::faster(1, 50)
    }
}

macro_rules! clauses {
    ($($name:ident)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                lifecycle::$name(&Lab::new()).await;
            }
        )*
    };
}

mlfn_testkit::contract!(clauses);
