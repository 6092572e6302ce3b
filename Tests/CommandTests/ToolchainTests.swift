import Foundation
import Testing

extension CommandSuite {
    /// What a newcomer without a compiler meets, with programs of the system played by scripts.
    @Suite(
        "Toolchains", .serialized, .enabled(if: KnownSystem.isThis, "needs bash, curl, gpg and a known system"))
    struct ToolchainTests {
        private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().path

        /// A folder of scripts that stand before the system's programs; every package is there, none can be fetched.
        private func programs(_ more: [String: String] = [:]) throws -> String {
            let folder = try Scratch.folder()
            let all = ["dpkg-query": "echo install ok installed", "apt-cache": ":", "apt-get": "exit 100"]
            for (name, text) in all.merging(more, uniquingKeysWith: { $1 }) {
                let path = "\(folder)/\(name)"
                try "#!/bin/sh\n\(text)\n".write(toFile: path, atomically: true, encoding: .utf8)
                try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
            }
            return folder
        }

        private func bash(
            _ arguments: [String], path: String, environment: [String: String] = [:]
        ) throws -> CommandJob.Outcome {
            let bash = try #require(CommandJob.path(of: "bash"))
            let own = ["PATH": "\(path):/usr/bin:/bin:/usr/sbin", "HOME": try Scratch.folder(), "XDG_DATA_HOME": ""]
            return try CommandJob(arguments, program: bash, environment: own.merging(environment) { $1 }).finish()
        }

        private func requirements(_ programs: [String: String]) throws -> CommandJob.Outcome {
            try bash(
                ["-euc", "cd \(Self.root); . launch/common.sh; install_requirements </dev/null"],
                path: try self.programs(programs))
        }

        @Test("No compiler, an old one and one that does not start each say what to do, and end with 7")
        func missing() throws {
            let says = "echo Swift version"
            for (script, phrase) in [
                ("\(says) 6.0.3", "is Swift 6.0.3, and 6."), ("\(says) 6.1", "--install-swift fetches Swift 6."),
                ("echo no libncurses.so.6 >&2; exit 127", "does not start: no libncurses.so.6"),
            ] {
                let outcome = try requirements(["swift": script])
                #expect(outcome.status == 7, "\(outcome.output) \(outcome.errors)")
                #expect((outcome.output + outcome.errors).contains(phrase), "\(outcome.output) \(outcome.errors)")
            }
            // Whoever is not root would have sudo find the system's own apt-get.
            guard getuid() == 0 else { return }
            let packages = try requirements(["dpkg-query": "exit 1"])
            #expect(packages.status == 7)
            #expect(packages.errors.contains("apt-get could not install libopenmpi-dev"), "\(packages.errors)")
        }

        @Test("A toolchain is taken if the key has signed it, and nothing of it is kept if not")
        func signature() throws {
            let (place, web, keys) = (try Scratch.folder(), try Scratch.folder(), try Scratch.folder())
            let path = try programs()
            var environment = [
                "ROBUSTMOE_SWIFT_MIRROR": "file://\(web)", "ROBUSTMOE_SWIFT_KEYS": "file://\(web)/keys",
                "ROBUSTMOE_SWIFT_SIGNER": String(repeating: "0", count: 40),
            ]
            func install() throws -> CommandJob.Outcome {
                try bash(
                    [Self.root + "/launch/install-swift", place + "/swift"], path: path, environment: environment)
            }
            let unreachable = try install()
            #expect(unreachable.status == 7)
            let address = try #require(unreachable.output.firstMatch(of: /fetching file:\/\/(\S+)/)).1
            #expect(unreachable.errors.contains("\(address) could not be fetched"), "\(unreachable.errors)")

            let make = """
                export GNUPGHOME=\(keys)
                chmod 700 $GNUPGHOME
                gpg --batch --quiet --passphrase '' --quick-generate-key test@example.org ed25519 sign never 2>/dev/null
                gpg --armor --export >\(web)/keys
                mkdir -p \(web)/made/usr/bin $(dirname \(address))
                printf '#!/bin/sh\\necho Swift version 6.3.1\\n' >\(web)/made/usr/bin/swift
                chmod +x \(web)/made/usr/bin/swift
                tar --create --gzip --file \(address) --directory \(web) made
                gpg --batch --quiet --detach-sign --output \(address).sig \(address)
                gpg --list-keys --with-colons | grep -m 1 ^fpr | cut -d : -f 10
                gpgconf --kill gpg-agent
                """
            let made = try bash(["-euc", make], path: "/usr/bin")
            #expect(made.status == 0, "\(made.errors)")
            let other = try install()
            #expect(other.status == 7)
            #expect(other.errors.contains("is not signed by the key 000"), "\(other.errors)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: place) == [])

            environment["ROBUSTMOE_SWIFT_SIGNER"] = made.output.trimmingCharacters(in: .whitespacesAndNewlines)
            let archive = try Data(contentsOf: URL(fileURLWithPath: String(address)))
            try Scratch.damage(String(address))
            let damaged = try install()
            #expect(damaged.status == 7)
            #expect(try FileManager.default.contentsOfDirectory(atPath: place) == [])

            try archive.write(to: URL(fileURLWithPath: String(address)))
            let taken = try install()
            #expect(taken.status == 0, "\(taken.errors)")
            #expect(taken.output.contains("Swift version 6.3.1"))
            #expect(try FileManager.default.contentsOfDirectory(atPath: place) == ["swift"])
        }
    }
}

/// A system for which there is a toolchain, with what fetches one.
private enum KnownSystem {
    static let isThis: Bool = {
        let system = (try? String(contentsOfFile: "/etc/os-release", encoding: .utf8)) ?? ""
        return ["bash", "curl", "gpg", "tar"].allSatisfy(CommandJob.has)
            && ["bookworm", "trixie", "jammy", "noble"].contains { system.contains("VERSION_CODENAME=\($0)") }
    }()
}
