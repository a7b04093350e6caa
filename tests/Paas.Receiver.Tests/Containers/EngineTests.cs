using Xunit;

namespace Paas.Receiver.Containers;

public sealed class EngineTests
{
    [Theory]
    [InlineData("unix:///var/run/docker.sock", true)]
    [InlineData("tcp://127.0.0.1:2375", true)]
    [InlineData("tcp://localhost:2375/", true)]
    [InlineData("tcp://192.0.2.1:2375", false)]
    [InlineData("tcp://127.0.0.1", false)]
    [InlineData("unix://relative", false)]
    [InlineData("ssh://there", false)]
    [InlineData("", false)]
    public void An_engine_is_on_this_machine(string text, bool isOne) => Assert.Equal(isOne, EngineAddress.TryParse(text, out _));

    [Fact]
    public async Task Where_there_is_no_engine_it_is_said_what_is_missing()
    {
        using var none = new Engine(new EngineAddress("/nonexistent/docker.sock", 0));
        Assert.Equal("there is no Docker engine at unix:///nonexistent/docker.sock: install docker.io, or set DOCKER_HOST", await none.WhyNotAsync());

        var file = Path.GetTempFileName();
        using var dead = new Engine(new EngineAddress(file, 0));
        Assert.StartsWith($"the Docker engine at unix://{file} does not answer", await dead.WhyNotAsync());
        File.Delete(file);
    }
}
