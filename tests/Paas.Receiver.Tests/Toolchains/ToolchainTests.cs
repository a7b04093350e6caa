using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Receiver.Toolchains;

public sealed class ToolchainTests : IDisposable
{
    readonly string home = Directory.CreateTempSubdirectory("toolchains-").FullName;

    public void Dispose() => Directory.Delete(home, recursive: true);

    [Theory]
    [InlineData("18", "18.19.1", true)]
    [InlineData("18", "20.1.0", false)]
    [InlineData("v18.19", "18.19.1", true)]
    [InlineData("18.x", "18.2.0", true)]
    [InlineData("1.9.3", "1.9.3-p327", true)]
    [InlineData(">=16 <21", "20.20.2", true)]
    [InlineData(">= 16 < 21", "21.0.0", false)]
    [InlineData("^18.2", "18.1.9", false)]
    [InlineData("^18.2", "18.20.0", true)]
    [InlineData("^0.3.1", "0.4.0", false)]
    [InlineData("~18.2.1", "18.2.9", true)]
    [InlineData("~18.2.1", "18.3.0", false)]
    [InlineData("~> 3.1", "3.9.0", true)]
    [InlineData("~> 3.1.2", "3.2.0", false)]
    [InlineData("~=3.8", "3.11.2", true)]
    [InlineData("14 || 20.x", "20.3.1", true)]
    [InlineData("14 || 20.x", "18.0.0", false)]
    [InlineData("16 - 20", "20.9.0", true)]
    [InlineData("5.3+", "8.2.36", true)]
    [InlineData("5.3+", "5.2.17", false)]
    [InlineData("lts/*", "20.20.2", true)]
    [InlineData("lts/hydrogen", "20.20.2", true)]
    [InlineData("*", "1.0", true)]
    [InlineData(">=3.8,<4,!=3.10.*", "3.11.2", true)]
    [InlineData(">=3.8,<4,!=3.10.*", "3.10.4", false)]
    [InlineData("1.10", "1.1.0", false)]
    public void A_range_allows_what_its_writers_mean(string range, string version, bool allowed) =>
        Assert.Equal(allowed, VersionRange.TryParse(range)!.Allows(ToolVersion.TryParse(version)!));

    [Theory]
    [InlineData(".nvmrc", "v18.2\n", "node", "v18.2")]
    [InlineData(".nvmrc", "lts/iron # comment\n", "node", "lts/iron")]
    [InlineData("package.json", "{\"engines\": {\"node\": \">=18\"},}", "node", ">=18")]
    [InlineData(".tool-versions", "ruby 3.2.1\nnodejs 20.1.0 18.0.0\n", "node", "20.1.0")]
    [InlineData(".python-version", "3.11\n", "python", "3.11")]
    [InlineData("runtime.txt", "python-3.9.18\n", "python", "3.9.18")]
    [InlineData("pyproject.toml", "[project]\nrequires-python = \">=3.8\"\n", "python", ">=3.8")]
    [InlineData(".ruby-version", "ruby-3.1.2\n", "ruby", "3.1.2")]
    [InlineData("Gemfile", "source 'x'\nruby \"~> 3.1\"\n", "ruby", "~> 3.1")]
    [InlineData("go.mod", "module x\n\ngo 1.19\n", "go", ">=1.19")]
    [InlineData("system.properties", "java.runtime.version=17\n", "java", "17")]
    [InlineData("composer.json", "{\"require\": {\"php\": \"^8.1\"}}", "php", "^8.1")]
    public void A_tree_says_which_version_it_wants(string file, string content, string language, string version)
    {
        File.WriteAllText(Path.Combine(home, file), content);

        Assert.Equal(new Wanted.Wish(new WantedToolchain(language, version), file), Wanted.Of(home, language));
        Assert.Null(Wanted.Of(home, language == "node" ? "python" : "node"));
    }

    [Fact]
    public async Task The_highest_match_is_taken_from_wherever_version_managers_keep_it()
    {
        Program("usr/bin", "node", "echo v20.20.2");
        Program(".nvm/versions/node/v18.2.0/bin", "node", "exit 1");
        Program(".nvm/versions/node/v18.19.1/bin", "node", "exit 1");
        Program(".asdf/installs/nodejs/21.1.0/bin", "node", "exit 1");
        Program(".local/share/mise/installs/node/18.20.0/bin", "node", "exit 1");
        Directory.CreateDirectory(Path.Combine(home, ".nvm/versions/node/v22.0.0/bin")); // nothing in it
        var shelf = new ToolchainShelf([home], Path.Combine(home, "usr/bin"), othersMustRead: false);

        Assert.Equal(["21.1.0", "20.20.2", "18.20.0", "18.19.1", "18.2.0"], (await shelf.VersionsAsync("node")).Select(one => one.Version.ToString()));
        Assert.EndsWith("mise/installs/node/18.20.0/bin", (await shelf.FindAsync(new("node", "18"), "x")).Bin, StringComparison.Ordinal);
        Assert.Null((await shelf.FindAsync(new("node", "20"), "x")).Bin);
        Assert.Equal("18.2.0", (await shelf.FindAsync(new("node", "~18.2"), "x")).Version.ToString());

        var refusal = await Assert.ThrowsAsync<Refusal>(() => shelf.FindAsync(new("node", "22"), ".nvmrc"));
        Assert.Equal(".nvmrc asks for node 22; this machine has 21.1.0, 20.20.2, 18.20.0, 18.19.1, 18.2.0", refusal.Message);

        // What is installed afterwards is found without a new start.
        Program(".nvm/versions/node/v22.0.0/bin", "node", "exit 1");
        Assert.Equal("22.0.0", (await shelf.FindAsync(new("node", "22"), "x")).Version.ToString());
    }

    [Fact]
    public async Task A_java_is_asked_since_its_folder_says_little()
    {
        Program("jvm/java-1.17.0-openjdk-amd64/bin", "javac", "echo javac 17.0.15 >&2");
        Program("jvm/temurin-21-jdk/bin", "javac", "echo javac 21.0.2");
        var shelf = new ToolchainShelf([home], "", othersMustRead: false);

        Assert.Equal(["21.0.2", "17.0.15"], (await shelf.VersionsAsync("java")).Select(one => one.Version.ToString()));
    }

    [Fact]
    public async Task What_only_the_receivers_user_can_reach_is_not_there_for_projects()
    {
        Program(".pyenv/versions/3.12.1/bin", "python3", "exit 1");
        File.SetUnixFileMode(Path.Combine(home, ".pyenv"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);

        Assert.Empty(await new ToolchainShelf([home], "", othersMustRead: true).VersionsAsync("python"));
        Assert.Single(await new ToolchainShelf([home], "", othersMustRead: false).VersionsAsync("python"));
    }

    [Fact]
    public async Task A_buildpacks_folder_brings_a_language()
    {
        Toolchain("lua", "program: lua # the interpreter\nask: -v\nplace: .luaenv/versions/{v}/bin\nplace: .asdf/installs/lua/{v}/bin\n");
        Program(".luaenv/versions/5.1.5/bin", "lua", "exit 1");
        Program(".asdf/installs/lua/5.4.6/bin", "lua", "exit 1");
        Program("usr/bin", "lua", "[ \"$1\" = -v ] && echo 'Lua 5.2.4  Copyright (C)'");
        var shelf = new ToolchainShelf([home], Path.Combine(home, "usr/bin"), othersMustRead: false, Language.In([Path.Combine(home, "packs"), Path.Combine(home, "missing")]));

        Assert.Equal(["5.4.6", "5.2.4", "5.1.5"], (await shelf.VersionsAsync("lua")).Select(one => one.Version.ToString()));
        Assert.Contains(Path.Combine(home, ".luaenv/versions"), shelf.Places);
        File.WriteAllText(Path.Combine(home, ".tool-versions"), "lua 5.1\n");
        Assert.Equal(new Wanted.Wish(new WantedToolchain("lua", "5.1"), ".tool-versions"), Wanted.Of(home, "lua"));
    }

    [Theory]
    [InlineData("ask: --version\n", "does not say which program")]
    [InlineData("program: /bin/sh\n", "does not say which program")]
    [InlineData("program: lua\nplaces: x\n", "'places' is none of program, ask, place")]
    [InlineData("program: lua\nplace: .lua/bin\n", "there is no directory {v}")]
    [InlineData("program: lua\nplace: ../{v}/bin\n", "there is no directory {v}")]
    public void A_toolchain_file_with_a_mistake_is_refused(string text, string message)
    {
        Toolchain("lua", text);

        Assert.Contains(message, Assert.Throws<FormatException>(() => Language.In([Path.Combine(home, "packs")])).Message);
    }

    void Toolchain(string language, string text) => File.WriteAllText(Path.Combine(Directory.CreateDirectory(Path.Combine(home, "packs", language)).FullName, "toolchain"), text);

    void Program(string directory, string name, string script)
    {
        var bin = Directory.CreateDirectory(Path.Combine(home, directory)).FullName;
        File.WriteAllText(Path.Combine(bin, name), $"#!/bin/sh\n{script}\n");
        File.SetUnixFileMode(Path.Combine(bin, name), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }
}
