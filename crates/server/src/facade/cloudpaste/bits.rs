//! Permission bits, and the permissions that they stand for.

use countermark_core::{Permission, PermissionSet};
use serde::Serialize;
use utoipa::ToSchema;

/// All bits together.
pub const ALL: u32 = 204_559;

/// Bit, its name, and the permission that it stands for.
const BITS: [(u32, &str, &str); 11] = [
    (1, "TEXT_SHARE", "text:share"),
    (2, "FILE_SHARE", "file:share"),
    (4, "TEXT_MANAGE", "text:manage"),
    (8, "FILE_MANAGE", "file:manage"),
    (256, "MOUNT_VIEW", "mount:view"),
    (512, "MOUNT_UPLOAD", "mount:upload"),
    (1024, "MOUNT_COPY", "mount:copy"),
    (2048, "MOUNT_RENAME", "mount:rename"),
    (4096, "MOUNT_DELETE", "mount:delete"),
    (65_536, "WEBDAV_READ", "webdav:read"),
    (131_072, "WEBDAV_MANAGE", "webdav:manage"),
];

/// The permissions behind these bits; `None` if one of them is unknown.
pub fn permissions(bits: u32) -> Option<Vec<Permission>> {
    if bits & !ALL != 0 {
        return None;
    }
    let set = BITS.iter().filter(|(bit, _, _)| bits & bit != 0);
    Some(set.map(|(_, _, text)| Permission::parse(text).expect("the table holds permissions")).collect())
}

/// The bits whose permissions are granted; what no bit stands for is not shown.
pub fn number(granted: &PermissionSet) -> u32 {
    of(granted).map(|(bit, _)| bit).sum()
}

/// The names of the bits whose permissions are granted.
pub fn names(granted: &PermissionSet) -> Vec<&'static str> {
    of(granted).map(|(_, name)| name).collect()
}

fn of(granted: &PermissionSet) -> impl Iterator<Item = (u32, &'static str)> {
    let set = BITS.iter().filter(|(_, _, text)| granted.covers(text));
    set.map(|(bit, name, _)| (*bit, *name))
}

/// The same bit by bit.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CloudpastePermissions, example = json!({
    "text_share": false, "text_manage": false, "file_share": true, "file_manage": false, "mount_view": false,
    "mount_upload": false, "mount_copy": false, "mount_rename": false, "mount_delete": false, "webdav_read": false,
    "webdav_manage": false
}))]
pub struct PermissionDetail {
    /// Creating and sharing texts.
    text_share: bool,
    /// Managing its own texts.
    text_manage: bool,
    /// Uploading and sharing files.
    file_share: bool,
    /// Managing its own files.
    file_manage: bool,
    /// Seeing mounts.
    mount_view: bool,
    /// Uploading to mounts.
    mount_upload: bool,
    /// Copying on mounts.
    mount_copy: bool,
    /// Renaming on mounts.
    mount_rename: bool,
    /// Deleting on mounts.
    mount_delete: bool,
    /// Reading over WebDAV.
    webdav_read: bool,
    /// Writing over WebDAV.
    webdav_manage: bool,
}

impl PermissionDetail {
    /// What of it is granted.
    pub fn of(granted: &PermissionSet) -> Self {
        Self {
            text_share: granted.covers("text:share"),
            text_manage: granted.covers("text:manage"),
            file_share: granted.covers("file:share"),
            file_manage: granted.covers("file:manage"),
            mount_view: granted.covers("mount:view"),
            mount_upload: granted.covers("mount:upload"),
            mount_copy: granted.covers("mount:copy"),
            mount_rename: granted.covers("mount:rename"),
            mount_delete: granted.covers("mount:delete"),
            webdav_read: granted.covers("webdav:read"),
            webdav_manage: granted.covers("webdav:manage"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(bits: u32) -> PermissionSet {
        permissions(bits).unwrap().into()
    }

    /// S3-4, S3-20, S3-21, S3-22, S3-23.
    #[test]
    fn every_combination_of_bits_reads_back_and_unknown_bits_do_not() {
        assert_eq!(BITS.iter().map(|(bit, _, _)| bit).sum::<u32>(), ALL);
        for bits in (0..1 << 18).filter(|bits| bits & !ALL == 0) {
            assert_eq!(number(&set(bits)), bits);
        }
        for unknown in [16, 128, 8192, 32_768, 262_144, ALL + 16, u32::MAX] {
            assert!(permissions(unknown).is_none(), "{unknown}");
        }
    }

    #[test]
    fn each_bit_has_its_own_name_and_member() {
        for (bit, name, _) in BITS {
            assert_eq!(names(&set(bit)), [name]);
            let detail = serde_json::to_value(PermissionDetail::of(&set(bit))).unwrap();
            let granted: Vec<_> =
                detail.as_object().unwrap().iter().filter(|(_, granted)| **granted == true).collect();
            assert_eq!(granted.len(), 1, "{name}");
            assert_eq!(granted[0].0.to_uppercase(), name);
        }
    }

    #[test]
    fn a_wildcard_of_the_native_api_is_shown_as_the_bits_that_it_covers() {
        let all: PermissionSet = vec![Permission::parse("*").unwrap()].into();
        assert_eq!(number(&all), ALL);
        let webdav: PermissionSet = vec![Permission::parse("webdav:*").unwrap()].into();
        assert_eq!(number(&webdav), 65_536 + 131_072);
    }
}
