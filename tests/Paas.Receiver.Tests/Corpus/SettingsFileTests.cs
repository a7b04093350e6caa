using FsCheck;
using FsCheck.Fluent;
using Xunit;

namespace Paas.Corpus;

public sealed class SettingsFileTests
{
    [Fact]
    public void The_RFCs_own_example_is_read_A20()
    {
        var accounts = Parse("""
                 prod:
                    url: masteralt.foo.net
                    id: someone@foo.net
                    password s3cr3t
                 dev:
                    url: devhost.local
                    id: someone@foo.net
                    password s3cr3t3
            """);

        Assert.Equal(
            [new Account("prod", "masteralt.foo.net", "someone@foo.net", "s3cr3t"), new Account("dev", "devhost.local", "someone@foo.net", "s3cr3t3")], accounts);
    }

    [Fact]
    public void What_people_write_is_read()
    {
        var accounts = Parse("---\n# mine\n\"quoted\":\n\turl: 'https://x.example:8443/paas'  \n  password: \"a b: c # d\"\n\nplain:   # the other\n  url : http://y.example # here\n  id:\n  password: a#b\nempty:\n");

        Assert.Equal([new Account("quoted", "https://x.example:8443/paas", null, "a b: c # d"), new Account("plain", "http://y.example", "", "a#b")], accounts);
    }

    [Fact]
    public void Any_text_is_read_without_falling_over() =>
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(500), Prop.ForAll<NonNull<string>>(text => { Parse(text.Get); }));

    [Theory]
    [InlineData("example.com", "https://example.com/")]
    [InlineData("http://example.com", "http://example.com/")]
    [InlineData("localhost:8080", "http://localhost:8080/")]
    [InlineData("127.0.0.1:8080", "http://127.0.0.1:8080/")]
    [InlineData("https://example.com/paas/", "https://example.com/paas/")]
    public void A_url_may_leave_out_its_scheme(string text, string expected) => Assert.Equal(expected, Target.AsUri(text).ToString());

    [Theory]
    [InlineData("http://u:t@h:8080/git/hello.git", "http://h:8080/", "t", null, "hello")]
    [InlineData("https://h/git/prod/hello.git", "https://h/", null, "prod", "hello")]
    [InlineData("https://h/behind/git/prod/hello.git", "https://h/behind/", null, "prod", "hello")]
    [InlineData("ssh://me@h:2222/prod/hello.git", null, null, "prod", "hello")]
    [InlineData("https://u:p%40ss@h/git/hello.git", "https://h/", "p@ss", null, "hello")]
    public void A_remote_that_leads_to_a_receiver_is_understood(string url, string? endpoint, string? token, string? environment, string project)
    {
        var remote = GitRemote.Parse("paas", url)!;

        Assert.Equal((endpoint, token, environment, project), (remote.Endpoint?.ToString(), remote.Token, remote.Environment, remote.Project));
    }

    [Theory]
    [InlineData("https://github.com/team/hello.git")]
    [InlineData("git@github.com:team/hello.git")]
    [InlineData("/srv/hello.git")]
    [InlineData("https://h/git/hello/pillar.git")]
    [InlineData("https://h/git/hello")]
    [InlineData("https://h/git/a/b/c.git")]
    [InlineData("")]
    public void Any_other_remote_is_not(string url) => Assert.Null(GitRemote.Parse("origin", url));

    static IReadOnlyList<Account> Parse(string text) => SettingsFile.Parse(text.Split('\n'));
}
