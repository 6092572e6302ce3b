/// Consecutive images of a batch that meet a filter of their own.
struct FilterPart {
    let filter: Slot
    let images: Range<Int>
}
