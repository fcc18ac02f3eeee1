use crate::harness::{Place, numbered, published};

fn offsets(place: &Place) -> Vec<u64> {
    let messages = place.consume(&[]).json();
    messages
        .iter()
        .map(|message| message["offset"].as_u64().expect("an offset"))
        .collect()
}

#[test]
fn chosen_messages_are_removed() {
    let place = Place::with(&numbered(10));
    let dry = &place.run("delete", &["3", "7", "7", "42", "--dry-run"]).json()[0];
    assert_eq!(dry["deleted"], 2);
    assert_eq!(offsets(&place).len(), 10);

    let run = place.run("delete", &["3", "7", "7", "42"]);
    assert!(run.ok().starts_with("{\"deleted\":2,\"size\":"), "{run:?}");
    assert_eq!(offsets(&place), [0, 1, 2, 4, 5, 6, 8, 9]);
    assert_eq!(
        place.run("delete", &["3", "42"]).ok(),
        "{\"deleted\":0,\"size\":0}\n"
    );
    assert!(place.run("get", &["3"]).failed(1).contains("no such message"));
    assert_eq!(place.run("check", &[]).code, Some(0));
}

#[test]
fn the_offsets_of_the_newest_are_not_given_out_again() {
    let place = Place::with(&numbered(3));
    place.run("delete", &["0", "1", "2"]).ok();
    let summary = place.publish(&[], b"{\"value\":\"x\"}\n");
    assert_eq!(summary.ok(), published(1, 4));
    assert_eq!(offsets(&place), [3]);
}

#[test]
fn wrong_offsets_are_wrong_usage() {
    let place = Place::with(&numbered(3));
    for flags in [
        &[][..],
        &["--dry-run"],
        &["oldest"],
        &["-1"],
        &["18446744073709551616"],
    ] {
        let run = place.run("delete", flags);
        assert!(!run.failed(2).is_empty());
        assert_eq!(run.stdout, b"");
    }
    assert!(
        Place::new()
            .run("delete", &["1"])
            .failed(1)
            .contains("there is no log here")
    );
    assert_eq!(offsets(&place), [0, 1, 2]);
}
