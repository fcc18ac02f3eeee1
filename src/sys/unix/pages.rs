use rustix::param::page_size;

/// The start and length of the whole pages up to `to`, beginning with the page that contains
/// `from`.
pub(super) fn whole_pages(from: u64, to: u64) -> Option<(usize, usize)> {
    pages_of(page_size() as u64, from, to)
}

/// The same for pages of this size.
fn pages_of(page: u64, from: u64, to: u64) -> Option<(usize, usize)> {
    let (from, to) = (from / page * page, to / page * page);
    let len = to.checked_sub(from).filter(|len| *len > 0)?;
    Some((usize::try_from(from).ok()?, usize::try_from(len).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_pages_are_those_of_the_system() {
        assert_eq!(pages_of(4096, 5000, 12_288), Some((4096, 8192)));
        assert_eq!(pages_of(16_384, 5000, 40_000), Some((0, 32_768)));
        assert_eq!(pages_of(16_384, 0, 16_383), None);
        assert_eq!(
            pages_of(65_536, 70_000, 1 << 20),
            Some((65_536, (1 << 20) - 65_536))
        );
        let page = page_size() as u64;
        assert_eq!(
            whole_pages(page, 3 * page).map(|(_, len)| len as u64),
            Some(2 * page)
        );
    }
}
