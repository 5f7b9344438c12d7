//! Groups of values, from both sides.

use super::groups::{GROUP_VERSION, Group, values};
use trustmesh_types::codec;

#[test]
fn a_group_comes_out_as_it_went_in() {
    let mut group = Group::new(64);
    for n in 0..4u32 {
        assert!(group.push(&codec::encode(&n)).is_none());
    }
    let bytes = group.take().unwrap();
    assert_eq!(bytes[0], GROUP_VERSION);
    let got: Vec<(u32, usize)> = values(&bytes);
    assert_eq!(got, vec![(0, 4), (1, 4), (2, 4), (3, 4)]);
    assert!(group.take().is_none());
}

#[test]
fn a_full_group_is_handed_out_before_it_grows_over_its_bound() {
    let mut group = Group::new(10);
    assert!(group.push(&[0; 6]).is_none());
    assert_eq!(group.push(&[1; 6]).unwrap().len(), 7);
    assert_eq!(group.take().unwrap(), [vec![GROUP_VERSION], vec![1; 6]].concat());
}

#[test]
fn what_is_malformed_ends_a_group_and_another_version_is_passed_over() {
    let mut bytes = vec![GROUP_VERSION];
    bytes.extend(codec::encode(&7u32));
    bytes.push(1);
    assert_eq!(values::<u32>(&bytes), vec![(7, 4)]);
    assert!(values::<u32>(&[GROUP_VERSION + 1, 0, 0, 0, 0]).is_empty());
    assert!(values::<u32>(&[]).is_empty());
    assert!(values::<()>(&[GROUP_VERSION, 1]).is_empty(), "a value of no bytes ends it");
}
