/// What this program was built from, and by what.
///
/// The plugin `RecordBuild` makes the other half of this module anew whenever the commit or a source changes. Values are
/// never inlined, so that no other module has to be compiled again for it.
package enum BuildRecord {
    /// The commit, `+changes` behind it where the sources were not the commit's; `unknown` outside of a checkout.
    @inline(never) package static var commit: String { RecordedBuild.commit }

    /// What the compiler calls itself.
    @inline(never) package static var compiler: String { RecordedBuild.compiler }
}
