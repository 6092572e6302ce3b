import Foundation
import Testing

@testable import Reports

@Suite("Charts")
struct ChartTests {
    @Test("an axis that ends at a round value, as tables round it, has a tick there")
    func ticks() {
        #expect(Scale.roundValues(in: 0...(0.031372549 * 255), count: 5) == [0, 2, 4, 6, 8])
        #expect(Scale.roundValues(in: 0...7.99, count: 5) == [0, 2, 4, 6])
    }

    @Test("the area between two lines follows both, also where only one of them has a point")
    func gap() throws {
        var chart = LineChart("epoch", "accuracy")
        chart.series = [
            .init(name: "first", style: "s0", points: [(0, 2), (1, 4), (2, 2), (3, 9)]),
            .init(name: "second", style: "s1", points: [(0, 0), (2, 2)]),
        ]
        chart.gaps = [(0, 1, "gap")]
        let svg = chart.drawing.svg(identifier: "c", title: "t", description: "d").text
        let area = try #require(svg.firstMatch(of: #/<polygon[^>]*points="([^"]*)"/#)).1
        let corners = area.split(separator: " ").map { $0.split(separator: ",").compactMap { Double($0) } }
        #expect(corners.count == 6, "\(area)")
        // Forth over 2, 4, 2 and back over 2, 1, 0: heights on the page grow downwards.
        let heights = corners.map { corners[5][1] - $0[1] }
        let unit = heights[0] / 2
        #expect(zip(heights, [2, 4, 2, 2, 1, 0]).allSatisfy { abs($0 - $1 * unit) < 0.2 }, "\(heights)")
        #expect(corners[1][0] == corners[4][0])
    }
}
