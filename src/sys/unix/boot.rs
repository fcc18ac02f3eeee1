use crate::sys::UNKNOWN_BOOT;

/// The boot id that the system tells as a UUID.
pub(super) fn boot_of(uuid: &str) -> [u8; 16] {
    let digits: String = uuid.trim_end().split('-').collect();
    u128::from_str_radix(&digits, 16).map_or(UNKNOWN_BOOT, u128::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_is_told_by_its_uuid_and_unknown_without_one() {
        let boot = boot_of("01234567-89AB-cdef-0123-456789abcdef\n");
        assert_eq!(boot, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef_u128.to_be_bytes());
        assert_eq!(boot_of(""), UNKNOWN_BOOT);
        assert_eq!(boot_of("no boot"), UNKNOWN_BOOT);
    }
}
