using System.Text.Json;
using Xunit;

namespace Paas.Receiver.ServiceControl;

public sealed class DefinitionTests
{
    [Fact]
    public void A_line_that_the_client_cut_at_its_last_equals_sign_is_whole_again()
    {
        var definition = Of("""[{"name":"A=b","value":"c"},{"name":" B ","value":123},{"name":"PORT","value":"80"},{"name":"C","value":""},{"name":"C","value":true}]""");

        Assert.Equal([("A", "b=c"), ("B", "123"), ("C", "true")], definition.Environment);
    }

    [Theory]
    [InlineData("""{"X Y": "1"}""")]
    [InlineData("""{"1X": "1"}""")]
    [InlineData("""{"PAAS_RELEASE": "1"}""")]
    [InlineData("""{"": "1"}""")]
    [InlineData("""{"X": []}""")]
    [InlineData("7")]
    public void A_variable_that_cannot_be_is_refused(string environment) =>
        Assert.Equal(400, Assert.Throws<ServiceControlException>(() => Of(environment)).Status);

    static Definition Of(string environment)
    {
        using var document = JsonDocument.Parse($$"""{"container-tag":"1","memory-reservation":50,"memory-limit":75,"container-port":80,"environment":{{environment}}}""");
        return Definition.Of(document.RootElement.Clone());
    }
}
