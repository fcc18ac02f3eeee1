use duramen::*;
use std::collections::BTreeSet;
fn all(log: &FileLog) -> Vec<u64> {
    let mut at = Start::Oldest; let mut out=vec![];
    loop { let b = log.consume(at, 1000).unwrap(); if b.messages.is_empty() { return out; } out.extend(b.messages.iter().map(|m| m.offset)); at = Start::At(b.next_offset); }
}
fn fill(log:&FileLog, n:u64, from:u64){ for i in 0..n { let k=format!("k{}",(from+i)%17); log.publish(&[NewMessage::new(k.as_bytes(), &[7u8;100])]).unwrap(); } }
#[test]
fn quick() {
  for bg in [true,false] { for d in [Durability::Os, Durability::EachPublish] {
    let t = tempfile::tempdir().unwrap(); let dir=t.path().join("l");
    let o = Options::new().create_dirs(true).key_index(true).time_index(true).rollover(4096).background(bg).durability(d);
    let log = o.open(&dir).unwrap();
    fill(&log, 500, 0);
    let mut model: BTreeSet<u64> = (0..500).collect();
    let del: BTreeSet<u64> = (0..600).filter(|o| o%3!=0).collect();
    let got = log.delete(&del).unwrap();
    println!("{got:?} {:?}", log.stat().unwrap());
    model.retain(|o| !del.contains(o));
    assert_eq!(got.messages, 333);
    assert_eq!(all(&log), model.iter().copied().collect::<Vec<_>>());
    fill(&log, 20, 500); model.extend(500..520);
    let tr = log.trim(100).unwrap(); println!("{tr:?}");
    model.retain(|o| *o>=100);
    assert_eq!(all(&log), model.iter().copied().collect::<Vec<_>>());
    let bdir=t.path().join("b");
    let r = log.backup(&bdir).unwrap(); println!("{r:?}");
    let r = log.backup(&bdir).unwrap(); println!("{r:?}");
    assert_eq!(r.bytes_copied, 0);
    fill(&log, 3, 520); model.extend(520..523);
    let r = log.backup(&bdir).unwrap(); println!("{r:?}");
    log.close().unwrap();
    for dir in [&dir,&bdir] {
    assert!(check(dir,&o).unwrap().is_clean(), "{:?}", check(dir,&o));
    let log=o.open(dir).unwrap();
    assert_eq!(all(&log), model.iter().copied().collect::<Vec<_>>());
    for i in 0..17 { let k=format!("k{i}"); let m=log.get_by_key(k.as_bytes()).unwrap(); println!("{k} {}",m.offset); }
    log.delete(&(0..1000).collect()).unwrap();
    assert_eq!(log.next_offset().unwrap(), 523);
    assert!(all(&log).is_empty());
    println!("{:?}", log.stat().unwrap());
    log.close().unwrap();
    assert!(check(dir,&o).unwrap().is_clean(), "{:?}", check(dir,&o));
    let log=o.open(dir).unwrap();
    fill(&log,1,0);
    assert_eq!(all(&log), vec![523]);
    log.delete(&(0..1000).collect()).unwrap();
    log.close().unwrap();
    let log=o.open(dir).unwrap();
    assert_eq!(log.next_offset().unwrap(), 524);
    }
  }}
}
