using Paas.Receiver.Processes;
using Xunit;

namespace Paas.Receiver.Buildpacks;

/// <summary>What the salt buildpack asks salt-call to do. salt-call itself is a program of ours here that writes down its arguments: Debian has none.</summary>
public sealed class SaltTests : IDisposable
{
    readonly string place = Directory.CreateTempSubdirectory("salt-").FullName;

    public void Dispose() => Directory.Delete(place, recursive: true);

    [Fact]
    public async Task Recipes_are_applied_in_the_order_of_their_names_without_those_of_other_steps()
    {
        Write(".salt/010_second.sls");
        Write(".salt/000_first.sls");
        Write(".salt/task_never.sls");
        Write(".salt/notify.sls");

        Assert.Equal(["state.apply 000_first", "state.apply 010_second"], await AppliedAsync());
    }

    [Fact]
    public async Task The_top_file_is_the_entry_point_where_there_is_one()
    {
        Write(".salt/000_first.sls");
        Write(".salt/top.sls", "base: {'*': [000_first]}\n");

        Assert.Equal(["state.apply"], await AppliedAsync());
    }

    [Fact]
    public async Task The_first_recipe_that_fails_ends_the_build()
    {
        Write(".salt/000_first.sls");
        Write(".salt/010_second.sls");

        Assert.Equal(["state.apply 000_first"], await AppliedAsync(code: 2));
    }

    async Task<IEnumerable<string>> AppliedAsync(int code = 0)
    {
        var bin = Directory.CreateDirectory(Path.Combine(place, "bin")).FullName;
        var salt = Path.Combine(bin, "salt-call");
        File.WriteAllText(salt, $"#!/bin/sh\ncase \" $* \" in *' --local '*' --retcode-passthrough '*) ;; *) exit 9 ;; esac\nwhile [ \"${{1#--}}\" != \"$1\" ]; do shift; done\necho \"$*\" >>{place}/asked\nexit {code}\n");
        File.SetUnixFileMode(salt, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        var empty = Directory.CreateDirectory(Path.Combine(place, "env")).FullName;
        var compile = Path.Combine(AppContext.BaseDirectory, "buildpacks", "salt", "bin", "compile");
        var answer = await new Command(compile, place, Path.Combine(place, "cache"), empty).With(new Dictionary<string, string> { ["PATH"] = $"{bin}:{Command.CleanEnvironment["PATH"]}" }).RunAsync();

        Assert.True(answer.ExitCode == code, $"{answer.ExitCode}: {answer.Output}{answer.Error}");
        return File.ReadLines(Path.Combine(place, "asked"));
    }

    void Write(string path, string text = "nothing: {test.nop: []}\n")
    {
        var file = Path.Combine(place, path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text);
    }
}
