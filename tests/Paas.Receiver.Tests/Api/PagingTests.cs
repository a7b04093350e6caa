using System.Net;
using System.Text.Json;
using Paas.Receiver.Deployments;
using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Receiver.Api;

/// <summary>Lists in parts, and how often one may ask for them.</summary>
public sealed class PagingTests : IAsyncLifetime
{
    ApiStage stage = null!;

    public async Task InitializeAsync() => stage = await ApiStage.OpenAsync();

    public async Task DisposeAsync() => await stage.DisposeAsync();

    [Fact]
    public async Task Every_long_list_comes_in_parts_that_together_are_the_whole()
    {
        for (var i = 0; i < 7; i++)
        {
            stage.Release(stage.Hello, new string((char)('a' + (i % 2)), 40));
            await stage.Deploy(stage.Hello, _ => Task.FromResult(Outcome.Live)).Finished;
            stage.The<ProjectStore>().FindOrCreate(null, ProjectName.Parse($"p{i}"));
        }

        foreach (var (path, name, count) in ((string, string, int)[])[("projects/local/hello/releases", "number", 7), ("projects/local/hello/deployments", "id", 7), ("projects", "name", 9), ("projects/local/hello/releases?commit=" + new string('a', 40), "number", 4)])
        {
            var whole = (await PartsAsync(path, name, null)).Single();
            Assert.Equal(count, whole.Count);
            foreach (var limit in (int[])[1, 2, 3, count, count + 1])
            {
                var parts = await PartsAsync(path, name, limit);
                Assert.Equal(whole, parts.SelectMany(part => part));
                Assert.Equal((count + limit - 1) / limit, parts.Count);
            }
        }
    }

    [Fact]
    public async Task What_comes_meanwhile_is_neither_told_twice_nor_pushes_anything_out()
    {
        for (var i = 0; i < 4; i++)
        {
            stage.Release(stage.Hello, new string('a', 40));
        }

        using var client = stage.Client(stage.Admin);
        using var first = JsonDocument.Parse(await client.GetStringAsync(new Uri("api/v1/projects/local/hello/releases?limit=2", UriKind.Relative)));
        stage.Release(stage.Hello, new string('b', 40));
        using var second = JsonDocument.Parse(await client.GetStringAsync(new Uri($"api/v1/projects/local/hello/releases?limit=2&cursor={first.RootElement.GetProperty("next").GetString()}", UriKind.Relative)));
        Assert.Equal([2, 1], second.RootElement.GetProperty("items").EnumerateArray().Select(release => release.GetProperty("number").GetInt32()));
        Assert.False(second.RootElement.TryGetProperty("next", out _));
    }

    [Theory]
    [InlineData("projects?limit=0")]
    [InlineData("projects?limit=1001")]
    [InlineData("projects?limit=x")]
    [InlineData("projects/local/hello/deployments?cursor=nonsense")]
    [InlineData("projects/local/hello/deployments?limit=-1")]
    [InlineData("projects/local/hello/releases?cursor=v1")]
    public async Task What_is_no_part_of_a_list_is_refused(string path)
    {
        using var client = stage.Client(stage.Admin);
        using var answer = await client.GetAsync(new Uri($"api/v1/{path}", UriKind.Relative));
        Assert.Equal((HttpStatusCode.BadRequest, "application/problem+json"), (answer.StatusCode, answer.Content.Headers.ContentType?.MediaType));
    }

    [Fact]
    public async Task Who_asks_too_fast_is_told_so_and_not_that_a_password_was_wrong()
    {
        using var client = stage.Client(stage.Admin);
        for (var i = 0; i < 1000; i++)
        {
            using var answer = await client.GetAsync(new Uri("api/v1/whoami", UriKind.Relative));
            if (answer.StatusCode == HttpStatusCode.TooManyRequests)
            {
                Assert.Contains("more than 20 requests a second with one credential. Try again in a second.", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
                Assert.Equal(TimeSpan.FromSeconds(1), answer.Headers.RetryAfter?.Delta);
                return;
            }
        }

        Assert.Fail("nobody was held back");
    }

    /// <summary>What names the items of each part, following <c>Link</c> from one to the next.</summary>
    async Task<List<List<string>>> PartsAsync(string path, string name, int? limit)
    {
        using var client = stage.Client(stage.Admin);
        var parts = new List<List<string>>();
        var next = $"/api/v1/{path}{(limit is null ? "" : $"{(path.Contains('?', StringComparison.Ordinal) ? '&' : '?')}limit={limit}")}";
        while (next is not null)
        {
            using var answer = await client.GetAsync(new Uri(next, UriKind.Relative));
            using var json = JsonDocument.Parse(await answer.Content.ReadAsStringAsync());
            parts.Add([.. json.RootElement.GetProperty("items").EnumerateArray().Select(item => item.GetProperty(name).ToString())]);
            next = answer.Headers.TryGetValues("Link", out var links) ? links.Single().Split('<', '>')[1] : null;
            Assert.Equal(next is not null, json.RootElement.TryGetProperty("next", out _));
        }

        return parts;
    }
}
