using Paas.Receiver.Processes;
using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Receiver.Manifests;

public sealed class PrepareShelfTests : IDisposable
{
    /// <summary>What the receiver brings along.</summary>
    internal static PrepareShelf Ours { get; } = new([Path.Combine(AppContext.BaseDirectory, "buildpacks")]);

    readonly string shelf = Directory.CreateTempSubdirectory("prepares").FullName;

    public void Dispose() => Directory.Delete(shelf, recursive: true);

    [Fact]
    public void A_folder_with_an_executable_is_a_prepare_command_and_its_parameters_are_checked_by_kind()
    {
        Add("example.prepare.all", "# what it takes\nword text required\nfile path\nlines texts\ndeep json\n");

        var prepare = Assert.Single(Read("""{word: 1.10, file: a/b, lines: [one, "2"], deep: {x: [1, yes]}}""").Prepares);

        Assert.Equal("example.prepare.all", prepare.Command.Name);
        Assert.Equal([("deep", """{"x":[1,true]}"""), ("file", "a/b"), ("lines", "one\n2\n"), ("word", "1.10")], prepare.Parameters.OrderBy(one => one.Key).Select(one => (one.Key, one.Value)));
        Assert.Equal(["word"], Assert.Single(Read("{word: w, lines: ~}").Prepares).Parameters.Keys);
        Assert.False(prepare.Command.FetchesDependencies);
    }

    [Theory]
    [InlineData("{}", "parameters.word: is missing")]
    [InlineData("{word: [a]}", "parameters.word: a text was expected, not a list")]
    [InlineData("{word: w, file: /etc/passwd}", "parameters.file: '/etc/passwd' is not a path inside the application")]
    [InlineData("{word: w, lines: one}", "parameters.lines: a list was expected, not a single value")]
    [InlineData("{word: w, lines: [[a]]}", "parameters.lines.0: a text was expected, not a list")]
    [InlineData("{word: w, lnes: [a]}", "parameters.lnes: is not known here; did you mean 'lines'?")]
    public void Every_mistake_of_the_parameters_is_said_where_it_stands(string parameters, string expected)
    {
        Add("example.prepare.all", "word text required\nfile path\nlines texts\n");

        Assert.Contains("application.prepare.commands.0." + expected, Assert.Throws<Refusal>(() => Read(parameters)).Message, StringComparison.Ordinal);
    }

    /// <summary>Reference 2.2: one bash script with errexit, xtrace and pipefail, in the tree.</summary>
    [Theory]
    [InlineData("kept=one\necho $kept >made\n", 0, "one\n")]
    [InlineData("echo one >made\nfalse\necho two >made\n", 1, "one\n")]
    [InlineData("echo one >made\n(exit 7) | cat\necho two >made\n", 7, "one\n")]
    [InlineData("[[ -n $BASH ]] && pwd -P | xargs basename >made\n", 0, "tree\n")]
    [InlineData("", 0, null)]
    public async Task The_shells_commands_are_one_script_that_ends_at_the_first_failure(string commands, int code, string? made)
    {
        var (tree, parameters) = (Directory.CreateDirectory(Path.Combine(shelf, "tree")).FullName, Directory.CreateDirectory(Path.Combine(shelf, "parameters")).FullName);
        await File.WriteAllTextAsync(Path.Combine(parameters, "commands"), commands);

        var answer = await new Command(Ours.Find("paasmaker.prepare.shell")!.Program, tree, shelf, parameters).RunAsync(default);

        Assert.Equal(code, answer.ExitCode);
        Assert.Equal(made, File.Exists(Path.Combine(tree, "made")) ? await File.ReadAllTextAsync(Path.Combine(tree, "made")) : null);
        Assert.Equal(commands.Length > 0, answer.Error.StartsWith("+ ", StringComparison.Ordinal));
    }

    [Fact]
    public void What_is_no_command_is_not_offered_and_the_first_directory_wins()
    {
        Add("example.prepare.all", "word text");
        Directory.CreateDirectory(Path.Combine(shelf, "prepare", "notes"));
        var both = new PrepareShelf([shelf, Path.Combine(AppContext.BaseDirectory, "buildpacks"), Path.Combine(shelf, "nowhere")]);

        Assert.Equal(["example.prepare.all", "paasmaker.prepare.pythonpip", "paasmaker.prepare.shell"], both.Names);
        Add("paasmaker.prepare.shell", "");
        Assert.StartsWith(shelf, both.Find("paasmaker.prepare.shell")!.Directory);
        Assert.Null(both.Find(".."));
        Assert.Null(both.Find(""));
    }

    [Fact]
    public void A_release_that_was_built_is_read_although_its_command_is_gone()
    {
        var manifest = ManifestReader.Parse(Naming("example.prepare.gone", "{anything: [1]}"));

        Assert.Equal("example.prepare.gone", Assert.Single(manifest.Application!.PrepareCommands).Name);
        Assert.Empty(manifest.Prepares);
    }

    [Fact]
    public void A_parameter_of_no_kind_is_the_operators_mistake()
    {
        Add("example.prepare.all", "word wrd\n");

        Assert.Contains("'wrd' is none of text, path, texts, json", Assert.Throws<InvalidDataException>(() => Read("{}")).Message, StringComparison.Ordinal);
    }

    Manifest Read(string parameters) => ManifestReader.Parse(Naming("example.prepare.all", parameters), new PrepareShelf([shelf]));

    static ProjectFile Naming(string plugin, string parameters) => new("manifest.yml", $"""
        manifest: {"{format: 1}"}
        application:
          name: foo.com
          prepare:
            commands:
              - plugin: {plugin}
                parameters: {parameters}
        instances: [{"{name: web, runtime: {plugin: paasmaker.runtime.shell, version: 1, parameters: {launch_command: x}}}"}]
        """);

    void Add(string name, string parameters)
    {
        var folder = Directory.CreateDirectory(Path.Combine(shelf, "prepare", name)).FullName;
        File.WriteAllText(Path.Combine(folder, "run"), "#!/bin/sh\n");
        File.WriteAllText(Path.Combine(folder, "parameters"), parameters);
    }
}
