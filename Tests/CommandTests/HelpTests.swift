import Configuration
import Foundation
import Testing

@testable import robustmoe

extension CommandSuite {
    /// What `help` says of keys, and what shells offer for them.
    @Suite("Help and completion")
    struct HelpTests {
        @Test("help of a key says what it means, what is allowed, its default, its section and its presets")
        func key() throws {
            let outcome = try robustmoe(["help", "moe.experts"])
            #expect(outcome.status == 0 && outcome.errors.isEmpty)
            for phrase in [
                "moe.experts: experts of a layer\n", "allowed     an integer, from 1 to 1024\n", "default     4\n",
                "belongs to  a moe.kind other than none\n", "section     moe: experts and routers\n",
                "preset      advmoe-paper: 2\n",
            ] {
                #expect(outcome.output.contains(phrase), "\(outcome.output)")
            }
            let section = try robustmoe(["help", "moe"]).output
            for key in RunConfiguration.help where key.key.hasPrefix("moe.") {
                #expect(section.contains("\n  \(key.key)=\(key.normal)\n"), "\(section)")
            }
            #expect(
                try robustmoe(["help", "evaluation.attacks.0.steps"]).output.hasPrefix("evaluation.attacks.N.steps: "))
            // A section with a subcommand's name.
            #expect(try robustmoe(["help", "data."]).output.hasPrefix("data: the images\n"))
        }

        @Test("help of a subcommand stays what it is, and of nothing the list of them")
        func subcommand() throws {
            #expect(try robustmoe(["help", "train"]).output == robustmoe(["train", "--help"]).output)
            #expect(try robustmoe(["help"]).output == robustmoe(["--help"]).output)
            #expect(try robustmoe(["help", "data", "fetch"]).output.contains("--mirror"))
        }

        @Test(
            "a word that is neither ends with 2 and names what is near",
            arguments: [("moe.expert", "moe.experts"), ("lr", "training.optimizer.rate"), ("trian", "train")])
        func unknown(_ word: String, _ near: String) throws {
            let outcome = try robustmoe(["help", word])
            #expect(outcome.status == 2 && outcome.output.isEmpty)
            expectComplaint(outcome, ["\(word): no subcommand or key", "did you mean \(near)"])
        }

        @Test("help of train has usage first, then every key by section, in lines of 80 columns")
        func training() throws {
            let lines = try robustmoe(["train", "--help"]).output.split(
                separator: "\n", omittingEmptySubsequences: false)
            #expect(lines.allSatisfy { $0.count <= 80 }, "\(lines.filter { $0.count > 80 })")
            let usage = try #require(lines.firstIndex { $0.hasPrefix("USAGE: ") })
            let keys = try #require(lines.firstIndex { $0.contains("preset=null") })
            let options = try #require(lines.firstIndex { $0.hasPrefix("OPTIONS:") })
            #expect(usage < keys && keys < options)
            let texts = lines.map { $0.trimmingCharacters(in: .whitespaces) }
            for section in RunConfiguration.sections where !section.below.isEmpty {
                #expect(texts.contains("\(section.key): \(section.summary)"))
            }
            for help in RunConfiguration.help { #expect(texts.contains("\(help.key)=\(help.normal)"), "\(help.key)") }
        }

        @Test("candidates are the keys that begin so, and behind one the words that it takes, however shells cut words")
        func candidates() {
            func offered(_ words: [String], _ typed: String) -> [String] {
                SettingCompletion.candidates(["robustmoe", "train"] + words, at: words.count + 1, typed: typed)
            }
            #expect(offered(["moe.bal"], "moe.bal") == ["moe.balance.loss=", "moe.balance.weight="])
            #expect(offered(["moe.ki"], "moe.ki").prefix(2) == ["moe.kind=", "moe.kind=none"])
            #expect(offered(["moe.kind=c"], "moe.kind=c").contains("moe.kind=channel"))
            #expect(offered(["moe.kind", "="], "=") == ["none", "conv", "block", "channel"])
            #expect(offered(["moe.kind", "=", "co"], "co") == ["none", "conv", "block", "channel"])
            #expect(offered(["moe.experts"], "moe.experts") == ["moe.experts=", "moe.experts=4"])
            #expect(offered(["data.path", "="], "=").isEmpty)
            let attack = offered(["evaluation.attacks.2.st"], "evaluation.attacks.2.st")
            #expect(
                attack.contains("evaluation.attacks.2.steps=")
                    && attack.allSatisfy { $0.hasPrefix("evaluation.attacks.2.st") })
            #expect(offered([""], "").count == RunConfiguration.help.count)
        }

        @Test("bash offers keys, their words, subcommands, options and files", .enabled(if: CommandJob.has("bash")))
        func bash() throws {
            let folder = try Scratch.folder()
            let script = try robustmoe(["--generate-completion-script", "bash"])
            #expect(script.status == 0)
            try script.output.write(toFile: "\(folder)/completion", atomically: true, encoding: .utf8)
            // bash itself calls a completion function this way, with what its readline found; "robustmoe" is found on PATH.
            let driver = """
                set -u
                PATH=$1:$PATH
                cd $2
                . ./completion
                compopt() { options="$*"; }
                offer() {
                    COMP_LINE=$1
                    COMP_POINT=${#1}
                    COMPREPLY=()
                    options=
                    local text=${1//=/ = }
                    read -r -a COMP_WORDS <<<"$text"
                    case $1 in *" ") COMP_WORDS+=("") ;; esac
                    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
                    local word=${COMP_WORDS[COMP_CWORD]}
                    [ "$word" != = ] || word=
                    ${completer:-$(complete -p robustmoe | sed 's/.*-F \\([^ ]*\\) .*/\\1/')} robustmoe "$word" \\
                        "${COMP_WORDS[COMP_CWORD - 1]}"
                    echo "$1|${COMPREPLY[*]-}|$options"
                }
                while IFS= read -r line; do offer "$line"; done <<END
                robustmoe tr
                robustmoe train moe.bal
                robustmoe train --output o moe.kind=
                robustmoe train moe.kind=con
                robustmoe evaluate --checkpoint c --output o evaluation.attacks.1.eps
                robustmoe train data.path=
                robustmoe train --for
                robustmoe convert --to torch
                robustmoe plan moe.experts
                robustmoe help moe.exp
                END
                """
            let build = URL(fileURLWithPath: CommandJob.binary).deletingLastPathComponent().path
            let bash = try #require(CommandJob.path(of: "bash"))
            let outcome = try CommandJob(
                ["--norc", "-c", driver.replacing("    END", with: "END"), "bash", build, folder], program: bash
            ).finish()
            #expect(outcome.errors.isEmpty, "\(outcome.errors)")
            let expected = [
                "robustmoe tr|train|",
                "robustmoe train moe.bal|moe.balance.loss= moe.balance.weight=|-o nospace +o filenames",
                "robustmoe train --output o moe.kind=|none conv block channel|", "robustmoe train moe.kind=con|conv|",
                "robustmoe evaluate --checkpoint c --output o evaluation.attacks.1.eps|evaluation.attacks.1.epsilon= "
                    + "evaluation.attacks.1.epsilon=8/255|-o nospace +o filenames",
                "robustmoe train data.path=||-o default", "robustmoe train --for|--force|",
                "robustmoe convert --to torch|torchvision|",
                "robustmoe plan moe.experts|moe.experts= moe.experts=4|-o nospace +o filenames",
                "robustmoe help moe.exp|moe.experts|",
            ]
            #expect(outcome.output.split(separator: "\n").map(String.init) == expected, "\(outcome.output)")
        }

        @Test("zsh and fish take their scripts", arguments: ["zsh", "fish"])
        func otherShells(_ shell: String) throws {
            let script = try robustmoe(["--generate-completion-script", shell]).output
            #expect(script.contains("---completion train -- positional@0"))
            guard let program = CommandJob.path(of: shell) else { return }
            let path = try Scratch.folder() + "/script"
            try script.write(toFile: path, atomically: true, encoding: .utf8)
            let outcome = try CommandJob(["-n", path], program: program).finish()
            #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
        }
    }
}
